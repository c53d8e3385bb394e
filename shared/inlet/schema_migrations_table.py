"""The `schema_migrations` table: which migrations were applied, and the lock that lets one migration run at a time.

Works on a connection of its own, which `operations/migrate` opens on the direct URL: no pooler keeps an advisory lock.
Only `newest` is for everybody.
"""

import time
from typing import Any

import psycopg
from psycopg.errors import LockNotAvailable

from inlet import database
from inlet.errors import InletError

LOCK = 0x696E6C6574  # "inlet"
LOCK_SECONDS = 60
# A migration that waits for a table makes everybody behind it wait: it gives up soon, and comes again.
TABLE_TRIES = 10
TABLE_PAUSE_SECONDS = 3.0

_TABLE_WAIT = "SET LOCAL lock_timeout = '5s'"
OLDEST_SERVER = 14
"""The first major version of Postgres that has all the statements use: `date_bin`, for one."""

_CREATE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())
"""

_NEWEST = "SELECT max(name) AS name FROM schema_migrations"

type Connection = psycopg.Connection[Any]


class MigrationsBusy(InletError):
    """Another migration, or a long query, was in the way for too long."""


class PostgresTooOld(InletError):
    """The server lacks what the statements need."""


def newest() -> str | None:
    """Return the name of the newest applied migration."""
    row = database.fetch_one(_NEWEST, {})
    return row["name"] if row else None


def require_version(connection: Connection) -> None:
    """Raise `PostgresTooOld` in words for whoever deploys, before anything is changed."""
    major = connection.info.server_version // 10_000
    if major < OLDEST_SERVER:
        raise PostgresTooOld(f"Inlet needs Postgres {OLDEST_SERVER} or newer; this server is {major}.")


def lock(connection: Connection) -> None:
    """Take the lock, or raise `MigrationsBusy`.

    Polls, since a blocking lock would deadlock with CREATE INDEX CONCURRENTLY.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
        if row and row[0]:
            return
        if time.monotonic() > deadline:
            raise MigrationsBusy(f"Another migration holds the lock for over {LOCK_SECONDS} s")
        time.sleep(0.2)


def applied(connection: Connection) -> dict[str, str]:
    """Return the checksums of the applied migrations by name. Creates the table on first use."""
    connection.execute(_CREATE)
    return dict(connection.execute("SELECT name, checksum FROM schema_migrations").fetchall())


def apply(connection: Connection, name: str, statements: bytes, checksum: str) -> None:
    """Run a migration and record it, in one transaction. Raise `MigrationsBusy` where its tables are never free."""
    for _ in range(TABLE_TRIES):
        try:
            with connection.transaction():
                connection.execute(_TABLE_WAIT)
                connection.execute(statements)
                connection.execute("INSERT INTO schema_migrations (name, checksum) VALUES (%s, %s)", (name, checksum))
        except LockNotAvailable:
            time.sleep(TABLE_PAUSE_SECONDS)
        else:
            return
    raise MigrationsBusy(f"{name} found a table locked by a long query, {TABLE_TRIES} times over")
