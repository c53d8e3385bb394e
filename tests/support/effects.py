"""Stands between functions and the libraries they reach Postgres and the bucket with, and sees every effect pass.

The crash server's children and the functions called in process are trapped by the same two wrappers.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, Protocol
from unittest.mock import patch

import botocore.client
import botocore.exceptions
import psycopg

READ = "SELECT"
_WRITE = re.compile(r"(INSERT INTO|DELETE FROM|(?<!DO )(?<!FOR )UPDATE) (\w+)")


class Around(Protocol):
    """What is done in place of an effect, given its name, the effect itself, and the loss of its answer."""

    def __call__(self, name: str, work: Callable[[], Any], lose: Callable[[], NoReturn]) -> Any:
        """Return what `work` returns, or end in `lose`, which raises what the library raises."""


@contextmanager
def watched(around: Around) -> Iterator[None]:
    """Have every statement and every call of storage or the workflow go through `around`.

    A write is named by its first word and its table (`UPDATE uploads`), any other statement `SELECT`, a call by its
    operation (`HeadObject`).
    """
    execute = psycopg.Cursor.execute
    call = vars(botocore.client.BaseClient)["_make_api_call"]

    def watched_execute(cursor: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        def lose() -> NoReturn:
            cursor.connection.pgconn.finish()
            raise psycopg.OperationalError("the connection broke")

        write = _WRITE.search(str(query))
        name = " ".join(write.groups()) if write else READ
        return around(name, lambda: execute(cursor, query, *arguments, **named), lose)

    def watched_call(client: Any, operation: str, parameters: Any) -> Any:
        def lose() -> NoReturn:
            raise botocore.exceptions.ReadTimeoutError(endpoint_url="the answer was lost")

        return around(operation, lambda: call(client, operation, parameters), lose)

    with (
        patch.object(psycopg.Cursor, "execute", watched_execute),
        patch.object(botocore.client.BaseClient, "_make_api_call", watched_call),
    ):
        yield
