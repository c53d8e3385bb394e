"""The seam of "nothing lost, nothing twice": functions that die, wait, or lose an answer at a chosen point.

An effect of a function is a database write, or a call of storage, the workflow, the model, PostHog or a webhook. Each
has two points, just before it (even) and just after it (odd). A `Trap` names one point and what happens there:

die    the process is killed, as a Lambda's may be at any time
hold   the function stops there until it is released: every interleaving of two functions can be played
lose   the effect happened, but its caller only sees the connection break (odd points)
refuse the effect did not happen, and its caller only sees the connection break (in_process.py alone, even points)
"""

import json
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from local.stack import PROJECT
from local_aws.children import Child
from local_aws.sandboxes import Outcome
from local_aws.template import Template

if TYPE_CHECKING:
    from io import BufferedRWPair

ASKING = ("ImageStagesGenerateFunction", "RecordingStagesTranscribeFunction", "RecordingStagesAnalyseFunction")
"""The functions that ask a model."""


@dataclass(frozen=True)
class Trap:
    """Where (the number of a point) and what."""

    point: int
    mode: Literal["die", "hold", "lose", "refuse"] = "die"


def deaths(effects: list[str]) -> list[Trap]:
    """Return a death just before and just after each effect."""
    return [Trap(point, "die") for point in range(2 * len(effects))]


def lost_answers(effects: list[str]) -> list[Trap]:
    """Return the loss of each effect's answer."""
    return [Trap(point, "lose") for point in range(1, 2 * len(effects), 2)]


def traps(effects: list[str]) -> list[Trap]:
    """Return everything that can go wrong at a function's effects: a death at every point, and each answer lost."""
    return deaths(effects) + lost_answers(effects)


@dataclass(frozen=True)
class Run:
    """What came of an invocation: a payload, an error as the Lambda runtime words it, and the effects it had."""

    payload: Any
    error: dict[str, str] | None
    effects: list[str]

    @property
    def status(self) -> int:
        """Of an API function's answer."""
        assert self.error is None, self.error
        return int(self.payload["statusCode"])

    @property
    def body(self) -> Any:
        """Of an API function's answer."""
        assert self.error is None, self.error
        return json.loads(self.payload["body"])


class Held:
    """An invocation that stands still at its trap."""

    def __init__(self, connection: "BufferedRWPair", answer: bytes) -> None:
        self._connection = connection
        self._answer = answer
        assert b'"held"' in answer, f"the function was not held: {answer!r}"

    def release(self) -> Run:
        """Let it go on to its end."""
        self._connection.write(b"go\n")
        self._connection.flush()
        return _run(self._connection.readline())


class Functions:
    """All functions of the template, against one environment. Thread-safe."""

    def __init__(self, server: Path, environment: Mapping[str, str], bill: Path) -> None:
        self.environment = dict(environment)
        self.reached, self.go_on = threading.Event(), threading.Event()  # of a task that is held
        self.tasks: list[tuple[str, str, Run]] = []
        self._server = server
        self._bill = bill
        self._armed: dict[tuple[str, str], list[Trap]] = {}
        self._model: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    def invoke(self, name: str, event: Any, trap: Trap | None = None) -> Run:
        """Run a function to its end, whatever end that is."""
        with self._connected(name, event, trap) as connection:
            return _run(connection.readline())

    @contextmanager
    def held(self, name: str, event: Any, point: int) -> Iterator[Held]:
        """Run a function up to a point; it stands there until released, or dies with the block."""
        with self._connected(name, event, Trap(point, "hold")) as connection:
            yield Held(connection, connection.readline())

    def task(self, name: str, event: Any) -> Outcome:
        """Run a function for the workflow engine, into the trap that was armed for it."""
        with self._lock:
            traps = self._armed.get((name, subject_of(event)))
            trap = traps.pop(0) if traps else None
        if trap and trap.mode == "hold":
            with self.held(name, event, trap.point) as held:
                self.reached.set()
                self.go_on.wait(60)
                run = held.release()
        else:
            run = self.invoke(name, event, trap)
        self.tasks.append((name, subject_of(event), run))
        return Outcome(function=name, request_id="", seconds=0, payload=run.payload, error=run.error)

    def arm(self, name: str, subject_id: str, *traps: Trap) -> None:
        """Set traps for the next tasks of this function for this upload or recording, one each."""
        self._armed[name, subject_id] = list(traps)

    def script_model(self, subject_id: str, *outcomes: str) -> None:
        """What the models do, call by call, for one row: they answer (`answers`), or raise an error by name.

        Then they answer.
        """
        self._model[subject_id] = list(outcomes)

    def bill(self) -> list[tuple[str, int, str]]:
        """Every paid model call: the row's id, the attempt, and the function that made it."""
        lines = self._bill.read_text().splitlines() if self._bill.exists() else []
        return [(subject_id, int(attempt), name) for subject_id, attempt, name in map(str.split, lines)]

    @contextmanager
    def _connected(self, name: str, event: Any, trap: Trap | None) -> Iterator["BufferedRWPair"]:
        order = {
            "function": name,
            "event": event,
            "trap": trap and asdict(trap),
            "environment": self.environment,
            "bill": str(self._bill),
            "model": self._next_model(name, event),
        }
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self._server))
            with client.makefile("rwb") as connection:
                connection.write(json.dumps(order).encode() + b"\n")
                connection.flush()
                yield connection

    def _next_model(self, name: str, event: Any) -> str:
        with self._lock:
            script = self._model.get(subject_of(event)) if name in ASKING else None
            return script.pop(0) if script else "answers"


def subject_of(event: Any) -> str:
    """Return the id of the row that a task works on; none of another event."""
    return str(event.get("uploadId") or event.get("sessionId") or "")


def _run(line: bytes) -> Run:
    if not line:
        error = {"errorType": "Runtime.ExitError", "errorMessage": "Runtime exited with error: signal: SIGKILL"}
        return Run(None, error, [])
    answer = json.loads(line)
    return Run(answer.get("payload"), answer.get("error"), answer["effects"])


@contextmanager
def serving(directory: Path, environment: Mapping[str, str]) -> Iterator[tuple[Path, Path]]:
    """The server of crash_server.py: its socket, and its functions' log. `environment` is what never changes."""
    template = Template(PROJECT / "template.yaml")
    folders = {
        name: str(function.folder.relative_to(PROJECT / "functions"))
        for name, function in template.functions.items()
        if name != "SiteFunction"
    }
    log = directory / "functions.log"
    with tempfile.TemporaryDirectory() as short:  # a socket's path has at most 107 characters
        address = Path(short) / "socket"
        python_path = os.pathsep.join((str(PROJECT / "shared"), str(PROJECT)))
        assignments = [f"{name}={value}" for name, value in environment.items()]
        child = Child(
            "crash server",
            [
                *("/usr/bin/env", f"PYTHONPATH={python_path}", *assignments),
                *(sys.executable, "-m", "tests.support.crash_server", address, json.dumps(folders)),
            ],
            directory=directory,
            log=log,
        )
        try:
            child.wait_until(address.exists, seconds=120)
            yield address, log
        finally:
            child.stop()
