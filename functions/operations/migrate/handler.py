"""At deploy time: bring the database to the newest schema. Numbered SQL files, forward only, one transaction each.

A file that was applied must never change: its checksum is kept and compared. Two migrations at once take turns: the
advisory lock is polled, since a blocking lock would deadlock with CREATE INDEX CONCURRENTLY.
"""

import hashlib
import time
from pathlib import Path
from typing import Any

import psycopg

from inlet.logs import logger
from inlet.settings import settings

LOCK = 0x696E6C6574  # "inlet"
LOCK_SECONDS = 60

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())
"""


class MigrationChanged(Exception):
    """An applied file differs from what was applied, or is gone."""


class MigrationsBusy(Exception):
    """Another migration has held the lock for a minute."""


def lambda_handler(_event: dict[str, Any], _context: Any) -> dict[str, list[str]]:
    """Apply what is not applied yet; the names applied now."""
    files = sorted(Path(settings.migrations_directory).glob("[0-9]*.sql"))
    with psycopg.connect(settings.migrations_database_url, autocommit=True) as connection:
        _lock(connection)
        connection.execute(_LEDGER)
        applied: dict[str, str] = dict(connection.execute("SELECT name, checksum FROM schema_migrations").fetchall())
        if missing := applied.keys() - {file.name for file in files}:
            raise MigrationChanged(f"Applied migrations are missing here: {', '.join(sorted(missing))}")
        fresh = [file for file in files if not _is_applied(file, applied)]
        for file in fresh:
            _apply(connection, file)
    logger.info("migrated", extra={"applied": [file.name for file in fresh]})
    return {"applied": [file.name for file in fresh]}


def _lock(connection: psycopg.Connection[Any]) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
        if row and row[0]:
            return
        if time.monotonic() > deadline:
            raise MigrationsBusy(f"Another migration holds the lock for over {LOCK_SECONDS} s")
        time.sleep(0.2)


def _is_applied(file: Path, applied: dict[str, str]) -> bool:
    checksum = applied.get(file.name)
    if checksum is not None and checksum != _checksum(file):
        raise MigrationChanged(f"{file.name} was changed after it was applied")
    return checksum is not None


def _apply(connection: psycopg.Connection[Any], file: Path) -> None:
    with connection.transaction():
        connection.execute(file.read_bytes())
        connection.execute(
            "INSERT INTO schema_migrations (name, checksum) VALUES (%s, %s)", (file.name, _checksum(file))
        )


def _checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
