"""At deploy time: bring the database to the newest schema. Numbered SQL files, forward only, one transaction each.

A file that was applied must never change: its checksum is kept and compared.
"""

import hashlib
from pathlib import Path
from typing import Any

import psycopg

from inlet import background, schema_migrations_table
from inlet.database import without_rows
from inlet.errors import InletError
from inlet.logs import logger
from inlet.settings import settings


class MigrationChanged(InletError):
    """An applied file differs from what was applied, or is gone."""


@background.function
def lambda_handler(_event: dict[str, Any], _context: Any) -> dict[str, list[str]]:
    """Apply what is not applied yet. Return the names applied now."""
    files = sorted(Path(settings.migrations_directory).glob("[0-9]*.sql"))
    with without_rows(), psycopg.connect(settings.migrations_database_url, autocommit=True) as connection:
        schema_migrations_table.require_version(connection)
        schema_migrations_table.lock(connection)
        applied = schema_migrations_table.applied(connection)
        if missing := applied.keys() - {file.name for file in files}:
            raise MigrationChanged(f"Applied migrations are missing here: {', '.join(sorted(missing))}")
        fresh = [file for file in files if not _is_applied(file, applied)]
        for file in fresh:
            schema_migrations_table.apply(connection, file.name, file.read_bytes(), _checksum(file))
    logger.info("migrated", extra={"applied": [file.name for file in fresh]})
    return {"applied": [file.name for file in fresh]}


def _is_applied(file: Path, applied: dict[str, str]) -> bool:
    checksum = applied.get(file.name)
    if checksum is not None and checksum != _checksum(file):
        raise MigrationChanged(f"{file.name} was changed after it was applied")
    return checksum is not None


def _checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
