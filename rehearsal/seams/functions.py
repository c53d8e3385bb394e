"""Functions run on Lambda's Runtime Interface Emulator, from the packages that were uploaded.

MiniStack's own Python workers know neither /opt nor /var/task, lose an error's type, by which the state machine
retries, and let functions import whatever is installed here.
"""

import io
import os
import tempfile
import threading
import zipfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local_aws.emulator import Emulator, emulate
from local_aws.ports import HOST
from local_aws.template import Function

# Of this process, for what functions ask AWS.
ROAD = ("HTTPS_PROXY", "AWS_CA_BUNDLE", "SSL_CERT_FILE")


class Sandboxes:
    """Execution environments: one invocation at a time each, kept warm, ended when their function is deployed anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deployed: dict[str, str] = {}
        self._idle: dict[str, list[tuple[ExitStack, Emulator]]] = {}

    def invoke(self, function: Function, layers: list[Path], event: Any) -> tuple[Any, str]:
        """Invoke a function in a free sandbox, or a new one; return its answer and what it logged."""
        version = repr((function, layers))
        stack, emulator = self._idle_one(function.name, version) or self._start(function, layers)
        before = len(emulator.log)
        answer = emulator.invoke(event)
        logged = emulator.log[before:]
        with self._lock:
            if self._deployed[function.name] == version:
                self._idle[function.name].append((stack, emulator))
                return answer, logged
        stack.close()
        return answer, logged

    def _idle_one(self, name: str, version: str) -> tuple[ExitStack, Emulator] | None:
        with self._lock:
            if self._deployed.get(name) == version:
                idle = self._idle[name]
                return idle.pop() if idle else None
            outdated = self._idle.get(name, [])
            self._deployed[name], self._idle[name] = version, []
        for stack, _ in outdated:
            stack.close()
        return None

    def _start(self, function: Function, layers: list[Path]) -> tuple[ExitStack, Emulator]:
        with ExitStack() as stack:
            emulator = stack.enter_context(emulate(function, layers, function.environment))
            return stack.pop_all(), emulator


sandboxes = Sandboxes()


class Worker:
    """What routes of a WebSocket API, which pass by all else, have of a function."""

    def __init__(self, _name: str, config: dict[str, Any], code_zip: bytes, **_: Any) -> None:
        self._record = {"config": config, "code_zip": code_zip}

    def invoke(self, event: Any, request_id: str) -> dict[str, Any]:
        """Invoke it as such a worker would, and answer in its way."""
        answer = execute(self._record, event, request_id)
        return {"status": "error", "error": answer["body"]} if "error" in answer else {"result": answer["body"]}


def install() -> None:
    """Put the emulator in the place of MiniStack's workers."""
    lambda_svc._execute_function_warm = execute
    lambda_runtime.get_or_create_worker = Worker


def execute(record: dict[str, Any], event: Any, _request_id: str) -> dict[str, Any]:
    """Invoke a function as MiniStack would, and answer in its way."""
    config = record.get("config") or record
    with Path(os.environ["REHEARSAL_INVOCATIONS"]).open("a") as invocations:
        invocations.write(f"{config['FunctionName']} {config.get('Version', '$LATEST')}\n")
    function = Function(
        name=config["FunctionName"],
        arn=config["FunctionArn"],
        folder=_unpacked(record["code_zip"]),
        handler=config["Handler"],
        timeout=float(config["Timeout"]),
        memory=config["MemorySize"],
        environment=_environment(config),
    )
    layers = [_unpacked(lambda_svc._resolve_layer_zip(layer)) for layer in config.get("Layers") or []]
    answer, log = sandboxes.invoke(function, layers, event)
    if answer.error is not None:
        return {"body": answer.error, "error": True, "log": log}
    payload = answer.payload
    if isinstance(payload, dict) and "statusCode" in payload and payload.get("body") is None:
        payload["body"] = ""  # a 204's; MiniStack answers 500 to none at all
    return {"body": payload, "log": log}


def _environment(config: dict[str, Any]) -> dict[str, str]:
    region = config["FunctionArn"].split(":")[3]
    return {
        **lambda_runtime.execution_credentials(config),
        **{name: os.environ[name] for name in ROAD},
        "NO_PROXY": HOST,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        **(config.get("Environment") or {}).get("Variables", {}),
    }


@cache  # by the very object that MiniStack keeps, for as long as it does
def _unpacked(archive: bytes) -> Path:
    """Return the folder of what was uploaded."""
    folder = Path(tempfile.mkdtemp(dir=os.environ["REHEARSAL_DIRECTORY"], prefix="package-"))
    folder.chmod(0o755)
    zipfile.ZipFile(io.BytesIO(archive)).extractall(folder)
    return folder
