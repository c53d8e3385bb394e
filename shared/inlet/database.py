"""The Postgres connection: one a process, opened on first use, replaced when it breaks.

Written for Lambda behind a transaction pooler (Neon, RDS Proxy, PgBouncer): autocommit, no prepared statements, no
session state. If the connection breaks, the whole call is retried once on a new one. The server may have run the first
try already. That is safe because the statements of the table modules are conditional: run again, they change nothing.
Two count instead, and then count twice: a hit on a rate limit, and a sampled poll's event.

No psycopg exception for a lost or refused connection leaves this module: it becomes `DatabaseUnavailable`. Any other is
a bug and crashes.
"""

import select
import time
from collections.abc import Callable, Mapping
from typing import Any, LiteralString

import psycopg
from psycopg.rows import RowFactory, class_row, dict_row

from inlet.errors import DatabaseUnavailable
from inlet.settings import settings

type Connection = psycopg.Connection[Any]
type Parameters = Mapping[str, Any]

_RETRY_PAUSE_SECONDS = 0.1
_open: Connection | None = None


def fetch_one(statement: LiteralString, parameters: Parameters) -> dict[str, Any] | None:
    """Run one statement in one round trip. Return its first row, or None."""
    return run(lambda connection: _rows(connection, dict_row, statement, parameters).fetchone())


def fetch_one_as[T](kind: type[T], statement: LiteralString, parameters: Parameters) -> T | None:
    """Do as `fetch_one`, with the columns as the arguments of `kind`."""
    return run(lambda connection: _rows(connection, class_row(kind), statement, parameters).fetchone())


def fetch_all(statement: LiteralString, parameters: Parameters) -> list[dict[str, Any]]:
    """Run one statement in one round trip. Return all its rows."""
    return run(lambda connection: _rows(connection, dict_row, statement, parameters).fetchall())


def execute(statement: LiteralString, parameters: Parameters) -> int:
    """Run one statement in one round trip. Return the number of rows it changed."""
    return run(lambda connection: connection.execute(statement, parameters).rowcount)


def run[T](work: Callable[[Connection], T]) -> T:
    """Run `work`, and once more on a new connection if the first one breaks. Then raise `DatabaseUnavailable`."""
    try:
        return work(_connection())
    except (psycopg.OperationalError, psycopg.InterfaceError):
        close()
        time.sleep(_RETRY_PAUSE_SECONDS)
    try:
        return work(_connection())
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        close()
        raise DatabaseUnavailable("The database does not answer.") from error


def close() -> None:
    """Close the connection. The next call opens another."""
    global _open
    if _open is not None:
        _open.close()
        _open = None


def _connection() -> Connection:
    global _open
    if _open is not None and (_open.closed or _hung_up(_open)):
        close()
    if _open is None:
        _open = psycopg.connect(
            settings.database_url,
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=5,
            keepalives_idle=30,
            keepalives_interval=5,
            keepalives_count=3,
        )
    return _open


def _hung_up(connection: Connection) -> bool:
    # An idle connection has nothing to say: readable means the server closed it while this function was frozen.
    readable, _, _ = select.select([connection.fileno()], [], [], 0)
    return bool(readable)


def _rows[T](
    connection: Connection, factory: RowFactory[T], statement: LiteralString, parameters: Parameters
) -> psycopg.Cursor[T]:
    return connection.cursor(row_factory=factory).execute(statement, parameters)
