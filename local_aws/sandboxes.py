"""Lambda's execution environments, imitated by processes.

A sandbox serves one function and one invocation at a time, with its own module state and database connection. A
function gets more of them while requests wait, up to its reserved concurrency; one that exceeds its time-out is killed;
one that dies is reported; one whose source files were edited is replaced. Events and answers cross as JSON within
Lambda's size limits.
"""

import json
import multiprocessing
import os
import signal
import threading
import time
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_aws.loopback import isolated, of_the_machine
from local_aws.sandbox_worker import Invocation, serve
from local_aws.sources import Sources, Version
from local_aws.template import Function

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

REQUEST_LIMIT = 6_291_456  # bytes of a synchronous invocation's event
INIT_SECONDS = 30  # Lambda allows 10; a busy two-core machine may need more
STOP_SECONDS = 10

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["local_aws.preload", "local_aws.sandbox_worker"])


def start_fork_server() -> None:
    """Begin its imports now; otherwise the first sandbox would wait for them.

    What a process is started with can be read in /proc for as long as it runs, by its children too: so it starts with
    the machine's variables only.
    """
    whole = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(of_the_machine())
        forkserver.ensure_running()
    finally:
        os.environ.update(whole)


class EventTooLarge(Exception):
    """The event exceeds Lambda's request limit."""


class Throttled(Exception):
    """As many executions of the function run as it has reserved: Lambda's `TooManyRequestsException`."""


class SandboxesStopped(Exception):
    """The stack is shutting down."""


class InitFailed(Exception):
    """A sandbox ended before it could serve; `error` as the Python runtime words it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.error = {"errorType": kind, "errorMessage": message}


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended: a payload, or an error as the Python runtime words it. Times in seconds."""

    function: str
    request_id: str
    seconds: float
    payload: Any = None
    error: dict[str, Any] | None = None


class Sandbox:
    """One process, ready for its first invocation once constructed. `version` is that of the files it has loaded."""

    def __init__(
        self,
        function: Function,
        environment: dict[str, str],
        log: Path,
        shared: Path,
        version: tuple[Version, ...],
    ) -> None:
        self.function = function
        self.version = version
        self._connection, theirs = _processes.Pipe()
        self._process: ForkServerProcess = _processes.Process(
            target=serve, args=(theirs, function, environment, log, shared), name=function.name, daemon=True
        )
        self._process.start()
        theirs.close()
        try:
            self._await_init()
        except InitFailed:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid or 0

    @property
    def alive(self) -> bool:
        """Whether the process still runs, as far as one that was not asked anything can tell: it says nothing."""
        return self._process.is_alive() and not self._connection.poll()  # the fork server learns of a death later

    def invoke(self, event: bytes, invocation: Invocation) -> dict[str, Any]:
        """Return `{"payload": …}` or `{"error": …}`; `alive` tells whether the sandbox may be used again."""
        try:
            self._connection.send_bytes(json.dumps(asdict(invocation)).encode())
            self._connection.send_bytes(event)
            if not self._connection.poll(max(0, invocation.deadline - time.time())):
                self._process.kill()
                self._process.join()
                message = f"Task timed out after {self.function.timeout:.2f} seconds"
                return _error("Sandbox.Timedout", invocation, message)
            answer: dict[str, Any] = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            return _error("Runtime.ExitError", invocation, self._how_it_ended())
        return answer

    def kill(self) -> None:
        """End the process at once. The only method another thread may call while `invoke` runs."""
        self._process.kill()

    def close(self) -> None:
        """End the process at once and let go of it."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _await_init(self) -> None:
        try:
            if not self._connection.poll(INIT_SECONDS):
                raise InitFailed("Sandbox.Timedout", f"Init timed out after {INIT_SECONDS} seconds")
            if said := self._connection.recv_bytes():
                error = json.loads(said)["error"]
                raise InitFailed(error["errorType"], error["errorMessage"])
        except (EOFError, OSError):
            raise InitFailed("Runtime.ExitError", self._how_it_ended()) from None

    def _how_it_ended(self) -> str:
        self._process.join(1)
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"Runtime exited with error: signal: {signal.Signals(-code).name}"
        return f"Runtime exited with error: exit status {code}"


def _error(kind: str, invocation: Invocation, message: str) -> dict[str, Any]:
    return {"error": {"errorType": kind, "errorMessage": f"RequestId: {invocation.request_id} Error: {message}"}}


class Sandboxes:
    """All functions' sandboxes. Thread-safe; `invoke` blocks its caller like a synchronous Lambda invocation."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        environment: Mapping[str, str],
        *,
        log: Path,
        shared: Path,
        maximum: int = 48,
        report: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self._functions = functions
        start_fork_server()
        self._environment = isolated(of_the_machine()) | dict(environment)
        self._sources = Sources()
        self._log = log
        self._shared = shared
        self._maximum = maximum
        self._report = report
        self._changed = threading.Condition()
        self._idle: dict[str, deque[Sandbox]] = defaultdict(deque)  # most recently used last
        self._all: set[Sandbox] = set()
        self._init_failures: dict[str, deque[InitFailed]] = defaultdict(deque)
        self._executing: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._starting: Counter[str] = Counter()
        self._stopped = False
        # No more cold starts at once than cores: further ones would only slow each other, and while they wait a warm
        # sandbox may come free.
        self._starter = ThreadPoolExecutor(max(2, os.cpu_count() or 2), thread_name_prefix="sandbox-start")

    def invoke(self, name: str, event: Any) -> Outcome:
        """Run a function.

        Raises `EventTooLarge` and `Throttled` before anything runs, `SandboxesStopped` during shutdown.
        """
        encoded = json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
        if len(encoded) > REQUEST_LIMIT:
            raise EventTooLarge(f"{len(encoded)} bytes; {REQUEST_LIMIT} are allowed")
        with self._one_more(name):
            return self._run(name, encoded)

    @contextmanager
    def _one_more(self, name: str) -> Iterator[None]:
        limit = self._functions[name].concurrency
        with self._changed:
            if limit is not None and self._executing[name] >= limit:
                raise Throttled(f"{name} has a reserved concurrency of {limit}")
            self._executing[name] += 1
        try:
            yield
        finally:
            with self._changed:
                self._executing[name] -= 1

    def _run(self, name: str, encoded: bytes) -> Outcome:
        request_id = str(uuid.uuid4())
        begun = time.time()
        try:
            sandbox = self._acquire(name)
        except InitFailed as failed:
            outcome = Outcome(name, request_id, time.time() - begun, error=failed.error)
        else:
            begun = time.time()  # as on Lambda, waiting for a sandbox does not count
            answer = sandbox.invoke(encoded, Invocation(request_id, begun + self._functions[name].timeout))
            self._release(sandbox)
            outcome = Outcome(name, request_id, time.time() - begun, answer.get("payload"), answer.get("error"))
        self._report(outcome)
        return outcome

    def pids(self, name: str) -> list[int]:
        """Return the process ids of a function's sandboxes."""
        with self._changed:
            return [sandbox.pid for sandbox in self._all if sandbox.function.name == name]

    def stop(self) -> None:
        """End every sandbox; whoever waits gets `SandboxesStopped`."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._starter.shutdown(cancel_futures=True)
        with self._changed:
            for idle in self._idle.values():
                while idle:
                    self._discard(idle.pop())
            for busy in self._all:
                busy.kill()  # its invoker notices, and lets go of it
            self._changed.wait_for(lambda: not self._all, timeout=STOP_SECONDS)

    def _acquire(self, name: str) -> Sandbox:
        function = self._functions[name]
        with self._changed:
            self._waiting[name] += 1
            try:
                while True:
                    if self._stopped:
                        raise SandboxesStopped(name)
                    if failed := self._init_failures[name]:
                        raise failed.popleft()
                    while idle := self._idle[name]:
                        sandbox = idle.pop()
                        if sandbox.alive and sandbox.version == self._version(function):
                            return sandbox
                        self._discard(sandbox)
                    if self._starting[name] < self._waiting[name] and self._make_room():
                        self._starting[name] += 1
                        self._starter.submit(self._start, function)
                    self._changed.wait()
            finally:
                self._waiting[name] -= 1

    def _start(self, function: Function) -> None:
        version = self._version(function)  # before the files are read: an edit meanwhile makes it an old one
        try:
            sandbox = Sandbox(function, self._environment_of(function), self._log, self._shared, version)
        except (InitFailed, OSError) as error:
            failure = error if isinstance(error, InitFailed) else InitFailed("Sandbox.StartFailed", str(error))
            with self._changed:
                self._starting[function.name] -= 1
                self._init_failures[function.name].append(failure)
                self._changed.notify_all()
        else:
            with self._changed:
                self._starting[function.name] -= 1
                self._all.add(sandbox)
                self._idle[function.name].append(sandbox)
                self._changed.notify_all()

    def _release(self, sandbox: Sandbox) -> None:
        with self._changed:
            if sandbox.alive and not self._stopped:
                self._idle[sandbox.function.name].append(sandbox)
            else:
                self._discard(sandbox)
            self._changed.notify_all()

    def _make_room(self) -> bool:
        """Return whether one more may start; at the bound an idle sandbox of another function gives way."""
        if len(self._all) + self._starting.total() < self._maximum:
            return True
        for idle in self._idle.values():
            if idle:
                self._discard(idle.popleft())
                return True
        return False

    def _discard(self, sandbox: Sandbox) -> None:
        self._all.discard(sandbox)
        sandbox.close()

    def _version(self, function: Function) -> tuple[Version, ...]:
        return self._sources.version(function.folder, self._shared)

    def _environment_of(self, function: Function) -> dict[str, str]:
        """Return the template's variables under the stack's, and what the Lambda runtime sets."""
        return (
            function.environment
            | self._environment
            | {
                "AWS_LAMBDA_FUNCTION_NAME": function.name,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
                "AWS_LAMBDA_LOG_STREAM_NAME": "local",
                "LAMBDA_TASK_ROOT": str(function.folder),
                "TZ": ":UTC",
                "_HANDLER": function.handler,
            }
        )
