"""Functions in this process, for tests that call them by the thousand: trapped like those of crash.py, if less dead."""

from collections.abc import Callable
from typing import Any, NoReturn

from local.stack import PROJECT
from local_aws.template import Template
from tests.support import handlers
from tests.support.crash import Run, Trap
from tests.support.effects import watched
from tests.support.invocations import Context

FUNCTIONS = Template(PROJECT / "template.yaml").functions


class Killed(BaseException):
    """The function ends here, as if its process were killed: nothing in it may catch this."""


class InProcess:
    """Invokes functions as `crash.Functions` does. A trap here may also `refuse`: nobody answers the call."""

    def __init__(self) -> None:
        self._handlers: dict[str, Callable[[Any, Any], Any]] = {}

    def invoke(self, name: str, event: Any, trap: Trap | None = None) -> Run:
        """Run a function to its end, or to its trap."""
        if name not in self._handlers:
            folder = FUNCTIONS[name].folder.relative_to(PROJECT / "functions")
            self._handlers[name] = handlers.load(str(folder)).lambda_handler
        passing = Passing(trap)
        try:
            with watched(passing):
                return Run(self._handlers[name](event, Context()), None, passing.effects)
        except Killed:
            return Run(None, {"errorType": "Runtime.ExitError", "errorMessage": "killed"}, passing.effects)


class Passing:
    """Counts effects, statements that only read among them, and springs the trap at its point."""

    def __init__(self, trap: Trap | None) -> None:
        self.effects: list[str] = []
        self._trap = trap

    def __call__(self, name: str, work: Callable[[], Any], lose: Callable[[], NoReturn]) -> Any:
        """Do one effect, unless the trap springs before it; or spring the trap after it."""
        before = 2 * len(self.effects)
        self.effects.append(name)
        if self._trap and self._trap.point == before and self._trap.mode != "lose":
            self._spring(lose)
        result = work()
        if self._trap and self._trap.point == before + 1:
            self._spring(lose)
        return result

    def _spring(self, lose: Callable[[], NoReturn]) -> NoReturn:
        assert self._trap is not None
        if self._trap.mode == "die":
            raise Killed
        lose()
