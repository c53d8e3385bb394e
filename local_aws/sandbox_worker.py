"""Inside a sandbox: one process that serves one function, one invocation at a time, as on Lambda.

Started by `sandboxes.py` from a fork server; speaks JSON over a pipe. Only what the function's folder and the shared
package hold is importable, as on Lambda.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from local_aws.leash import PR_SET_PDEATHSIG
from local_aws.template import Function

RESPONSE_LIMIT = 6_291_556  # bytes; Lambda allows a response a hundred bytes more than a request


@dataclass(frozen=True)
class Invocation:
    """What the parent says about one invocation, beside its event. `deadline` in epoch seconds."""

    request_id: str
    deadline: float


class LambdaContext:
    """The `context` argument, with the attributes of the Python runtime."""

    identity = None
    client_context = None
    function_version = "$LATEST"

    def __init__(self, function: Function, invocation: Invocation) -> None:
        self.function_name = function.name
        self.memory_limit_in_mb = str(function.memory)
        self.invoked_function_arn = function.arn
        self.aws_request_id = invocation.request_id
        self.log_group_name = f"/aws/lambda/{function.name}"
        self.log_stream_name = f"local/{os.getpid()}"
        self._deadline = invocation.deadline

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the sandbox is killed."""
        return max(0, int((self._deadline - time.time()) * 1000))


Handler = Callable[[Any, LambdaContext], Any]


def serve(connection: Connection, function: Function, environment: dict[str, str], log: Path, shared: Path) -> None:
    """Load the function, say so, then answer invocations until the parent closes the pipe."""
    _isolate(function, environment, log, shared)
    try:
        handler = _load(function)
    except BaseException as error:  # noqa: BLE001 - whatever the function's module does, the parent is told
        connection.send_bytes(_failure_of(error, "", kind="Runtime.ImportModuleError"))
        return
    connection.send_bytes(b"")
    while True:
        try:
            invocation = Invocation(**json.loads(connection.recv_bytes()))
            event = connection.recv_bytes()
        except EOFError:
            return
        connection.send_bytes(_invoke(handler, event, LambdaContext(function, invocation)))


def _isolate(function: Function, environment: dict[str, str], log: Path, shared: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a killed sandbox must not swallow its last words
    os.environ.clear()
    os.environ.update(environment)
    project = {"", ".", str(Path(__file__).resolve().parent.parent)}
    sys.path[:] = [str(function.folder), str(shared), *(place for place in sys.path if place not in project)]
    os.chdir(function.folder)
    # multiprocessing imports the parent's main module first, which may have imported ours under other settings.
    ours = {entry.stem for entry in shared.iterdir()}
    for name in [name for name in sys.modules if name.partition(".")[0] in ours]:
        del sys.modules[name]


def _load(function: Function) -> Handler:
    module, _, attribute = function.handler.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module), attribute)
    return handler


def _invoke(handler: Handler, event: bytes, context: LambdaContext) -> bytes:
    try:
        result = handler(json.loads(event), context)
    except Exception as error:  # noqa: BLE001 - the runtime's last resort: any error becomes the invocation's
        return _failure_of(error, context.aws_request_id)
    try:
        answer = json.dumps(result, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        message = f"Unable to marshal response: {error}"
        return _failure("Runtime.MarshalError", message, context.aws_request_id)
    if len(answer) > RESPONSE_LIMIT:
        message = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."
        return _failure("Function.ResponseSizeTooLarge", message, context.aws_request_id)
    return b'{"payload":' + answer + b"}"


def _failure_of(error: BaseException, request_id: str, kind: str | None = None) -> bytes:
    trace = traceback.format_tb(error.__traceback__)[1:]  # without our own frame, as the runtime does
    if len(trace) > 1:
        traceback.print_exception(error)
    else:  # raised where the handler is left, on purpose
        print(f"[ERROR] {type(error).__name__}: {error}", file=sys.stderr)
    if kind:
        return _failure(kind, f"Unable to import module: {type(error).__name__}: {error}", request_id, trace)
    return _failure(type(error).__name__, str(error), request_id, trace)


def _failure(kind: str, message: str, request_id: str, trace: list[str] | None = None) -> bytes:
    error = {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace or []}
    return json.dumps({"error": error}, ensure_ascii=False).encode()
