"""Functions in this process, for tests that call them by the thousand: trappable as those of crash.py, if less dead."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch

import botocore.client
import botocore.exceptions
import psycopg

from local.stack import PROJECT
from local_aws.template import Template
from tests.support.crash import Run, Trap
from tests.support.invocations import Context

FUNCTIONS = Template(PROJECT / "template.yaml").functions


class Killed(BaseException):
    """The function ends here, as if its process were killed: nothing in it may catch this."""


class InProcess:
    """Functions in this process, with the traps of `tests.crash.Functions` and one more: `refuse`, nobody answers."""

    def __init__(self, load: Callable[[str], ModuleType]) -> None:
        self._load = load
        self._handlers: dict[str, ModuleType] = {}

    def invoke(self, name: str, event: Any, trap: Trap | None = None) -> Run:
        folder = str(FUNCTIONS[name].folder.relative_to(PROJECT / "functions"))
        if folder not in self._handlers:
            self._handlers[folder] = self._load(folder)
        effects: list[str] = []
        try:
            with trapped(trap, effects):
                return Run(self._handlers[folder].lambda_handler(event, Context()), None, effects)
        except Killed:
            return Run(None, {"errorType": "Runtime.ExitError", "errorMessage": "killed"}, effects)


@contextmanager
def trapped(trap: Trap | None, effects: list[str]) -> Iterator[None]:
    """Count statements and storage calls; at the trap's point be killed, lose the answer, or get none."""
    execute, call = psycopg.Cursor.execute, vars(botocore.client.BaseClient)["_make_api_call"]
    passed = 0

    def around(name: str, work: Callable[[], Any], broken: Exception) -> Any:
        nonlocal passed
        effects.append(name)
        here, passed = passed, passed + 2
        if trap and trap.point == here and trap.mode != "lose":
            raise Killed if trap.mode == "die" else broken
        result = work()
        if trap and trap.point == here + 1:
            raise Killed if trap.mode == "die" else broken
        return result

    def watched_execute(cursor: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        broken = psycopg.OperationalError("the connection broke")
        return around("statement", lambda: execute(cursor, query, *arguments, **named), broken)

    def watched_call(client: Any, operation: str, parameters: Any) -> Any:
        broken = botocore.exceptions.ReadTimeoutError(endpoint_url="none")
        return around(operation, lambda: call(client, operation, parameters), broken)

    with ExitStack() as patches:
        patches.enter_context(patch.object(psycopg.Cursor, "execute", watched_execute))
        patches.enter_context(patch.object(botocore.client.BaseClient, "_make_api_call", watched_call))
        yield
