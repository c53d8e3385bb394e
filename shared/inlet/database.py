"""The Postgres connection: one a process, opened on first use, replaced when it breaks.

Written for Lambda behind a transaction pooler (Neon, RDS Proxy, PgBouncer): autocommit, no prepared statements, no
session state. If the connection breaks, or leads to a server that cannot be written, the whole call is retried once on
a new one. The server may have run the first try already. That is safe because the statements of the table modules are
conditional: run again, they change nothing. One counts instead, and then counts twice: a hit on a rate limit.

No psycopg exception leaves this module. A lost, refused or read-only connection becomes `DatabaseUnavailable`. Any
other is a bug, a `StatementFailed`: Postgres' own words may quote a row, so only the primary message is kept.
"""

import json
import re
import select
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.rows import RowFactory, class_row, dict_row

from inlet import snapshots
from inlet.errors import DatabaseUnavailable
from inlet.settings import settings

if TYPE_CHECKING:
    from psycopg.errors import Diagnostic

type Connection = psycopg.Connection[Any]
type Parameters = Mapping[str, Any]

# A server that lost its primary's role stays readable, and psycopg counts what it says as an internal error.
_BROKEN = (psycopg.OperationalError, psycopg.InterfaceError, ReadOnlySqlTransaction)
_RETRY_PAUSE_SECONDS = 0.1
_WHY_NOT_CONNECTED = re.compile(
    r"FATAL: .{1,200}|Connection refused|connection timeout expired|failed to resolve host|certificate verify failed"
)
# Seconds, not minutes, until a peer that vanished without a word is given up: unanswered data, then a silent line.
_LIVELINESS: dict[str, Any] = {
    "connect_timeout": 4,  # for each address that the name has
    "tcp_user_timeout": 5_000,  # milliseconds
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
_WATCHED = "LIVE0"
"""The code of the notice by which the trigger `name_watchers` answers a change that somebody watches."""
_open: Connection | None = None
_watched: dict[str, "Watched"] = {}


class StatementFailed(Exception):
    """A statement that Postgres refuses: a bug. Holds the primary message and the constraint's name."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A topic that was changed while somebody watched it, and the connections that do. `user_id` is whose it is."""

    topic: str
    user_id: str | None
    connections: list[str]


def fetch_one(statement: LiteralString, parameters: Parameters) -> dict[str, Any] | None:
    """Run one statement in one round trip. Return its first row, or None."""
    return run(lambda connection: _rows(connection, dict_row, statement, parameters).fetchone())


def fetch_one_as[T](kind: type[T], statement: LiteralString, parameters: Parameters) -> T | None:
    """Do as `fetch_one`, with the columns as the arguments of `kind`."""
    return run(lambda connection: _rows(connection, class_row(kind), statement, parameters).fetchone())


def fetch_all(statement: LiteralString, parameters: Parameters) -> list[dict[str, Any]]:
    """Run one statement in one round trip. Return all its rows."""
    return run(lambda connection: _rows(connection, dict_row, statement, parameters).fetchall())


def fetch_one_holding(
    lock: LiteralString, further: Sequence[LiteralString], statement: LiteralString, parameters: Parameters
) -> dict[str, Any] | None:
    """Run `lock`, which locks rows and returns their ids; then the statement, in one transaction. Return its first row.

    `further` locks what depends on these `ids`, and the statement gets them too. What a lock waited for is seen by
    whatever comes after it. Without ids nothing else runs, and None is returned. The locks of a function that vanishes
    in between, without a word, end after half a minute.
    """

    def work(connection: Connection) -> dict[str, Any] | None:
        with connection.transaction():
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = '30s'")
            held = {**parameters, "ids": [row[0] for row in connection.execute(lock, parameters)]}
            if not held["ids"]:
                return None
            for further_lock in further:
                connection.execute(further_lock, held)
            return _rows(connection, dict_row, statement, held).fetchone()

    return run(work)


def execute(statement: LiteralString, parameters: Parameters) -> int:
    """Run one statement in one round trip. Return the number of rows it changed."""
    return run(lambda connection: connection.execute(statement, parameters).rowcount)


def run[T](work: Callable[[Connection], T]) -> T:
    """Run `work`, and once more on a new connection if the first one breaks. Then raise `DatabaseUnavailable`.

    Raises `StatementFailed` for whatever else Postgres refuses.
    """
    with without_rows():
        try:
            return work(_connection())
        except _BROKEN:
            close()
            time.sleep(_RETRY_PAUSE_SECONDS)
        try:
            return work(_connection())
        except _BROKEN as error:
            close()
            raise DatabaseUnavailable(f"The database does not answer: {type(error).__name__}") from None


def take_watched() -> list[Watched]:
    """Return, once, what was changed since the last call and is watched. Takes no round trip.

    Postgres says so in its answer to the change itself.
    """
    taken = list(_watched.values())
    _watched.clear()
    return taken


def close() -> None:
    """Close the connection. The next call opens another."""
    global _open
    if _open is not None:
        _open.close()
        _open = None


snapshots.after_restore(close)


@contextmanager
def without_rows() -> Iterator[None]:
    """Turn what Postgres refuses into `StatementFailed`: the DETAIL of a violated constraint would quote the row."""
    try:
        yield
    except _BROKEN:
        raise
    except psycopg.Error as error:
        constraint = f" ({error.diag.constraint_name})" if error.diag.constraint_name else ""
        words = error.diag.message_primary or type(error).__name__
        raise StatementFailed(f"{type(error).__name__}: {words}{constraint}") from None


def is_postgres_own(error: BaseException) -> bool:
    """Tell whether an error's words are those of Postgres or its driver, which may quote a row or an address."""
    return isinstance(error, psycopg.Error)


def why_not_connected(error: Exception) -> str:
    """Return why no connection was made, in words that hold no piece of an address; empty where none says so."""
    why = _WHY_NOT_CONNECTED.search(str(error)) if isinstance(error, psycopg.OperationalError) else None
    return why[0] if why else ""


def _connection() -> Connection:
    global _open
    if _open is not None and (_open.closed or _hung_up(_open)):
        close()
    if _open is None:
        _open = psycopg.connect(settings.database_url, autocommit=True, prepare_threshold=None, **_LIVELINESS)
        _open.add_notice_handler(_note_watched)
    return _open


def _note_watched(notice: "Diagnostic") -> None:
    if notice.sqlstate == _WATCHED and notice.message_primary:
        watched = Watched(**json.loads(notice.message_primary))
        _watched[watched.topic] = watched


def _hung_up(connection: Connection) -> bool:
    # An idle connection has nothing to say: readable means the server closed it while this function was frozen.
    readable, _, _ = select.select([connection.fileno()], [], [], 0)
    return bool(readable)


def _rows[T](
    connection: Connection, factory: RowFactory[T], statement: LiteralString, parameters: Parameters
) -> psycopg.Cursor[T]:
    return connection.cursor(row_factory=factory).execute(statement, parameters)
