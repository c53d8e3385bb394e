"""At deploy time: bring the database to the newest schema. Numbered SQL files, forward only, one transaction each.

CloudFormation calls it before it touches the other functions (the resource `Schema`), so the code never meets an older
schema. A rollback meets a newer one: migrations are written so that the release before can live with them.

A file that was applied must never change: its checksum is kept and compared.
"""

import hashlib
from pathlib import Path
from typing import Any

import psycopg

from inlet import background, custom_resource, deployment_table, schema_migrations_table
from inlet.database import without_rows
from inlet.errors import InletError
from inlet.logs import logger
from inlet.settings import settings


class MigrationChanged(InletError):
    """An applied file differs from what was applied, or is gone."""


class NoMigrations(InletError):
    """There is no file to apply: the function's layer is not what it should be."""


@background.function
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, list[str]]:
    """Apply what is not applied yet. Return the names applied now; CloudFormation is told the outcome instead."""
    if custom_resource.is_request(event):
        custom_resource.answer(event, context, migrate)
        return {"applied": []}
    return {"applied": migrate()}


def migrate() -> list[str]:
    """Apply what is not applied yet, and claim the database for this stack. Return the names applied now."""
    files = sorted(Path(settings.migrations_directory).glob("[0-9]*.sql"))
    if not files:
        raise NoMigrations(f"There are no migrations in {settings.migrations_directory}")
    with (
        without_rows(),
        psycopg.connect(settings.migrations_database_url, autocommit=True, connect_timeout=10) as connection,
    ):
        schema_migrations_table.require_version(connection)
        schema_migrations_table.lock(connection)
        deployment_table.refuse_foreign_before_migrating(connection)
        applied = schema_migrations_table.applied(connection)
        _refuse_gaps(files, applied)
        fresh = [file for file in files if not _is_applied(file, applied)]
        for file in fresh:
            schema_migrations_table.apply(connection, file.name, file.read_bytes(), _checksum(file))
        deployment_table.claim(connection)
    logger.info("migrated", extra={"applied": [file.name for file in fresh]})
    return [file.name for file in fresh]


def _refuse_gaps(files: list[Path], applied: dict[str, str]) -> None:
    """Refuse a schema that holds what we do not know, unless it is newer than all we know: then we are a rollback."""
    names = {file.name for file in files}
    if missing := sorted(name for name in applied.keys() - names if name < max(names)):
        raise MigrationChanged(f"Applied migrations are missing here: {', '.join(missing)}")


def _is_applied(file: Path, applied: dict[str, str]) -> bool:
    checksum = applied.get(file.name)
    if checksum is not None and checksum != _checksum(file):
        raise MigrationChanged(f"{file.name} was changed after it was applied")
    return checksum is not None


def _checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
