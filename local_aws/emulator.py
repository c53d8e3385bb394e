"""A built function as Lambda runs it: on the Runtime Interface Emulator, with nothing but what the build holds.

The emulator comes with the sam package. The function sees its own folder at /var/task and its layers merged at /opt,
read-only, the runtime client and boto3, which Lambda provides, and the standard library. Where the kernel allows no
private mounts the same folders are searched where they lie; only paths in tracebacks tell the difference.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

from local_aws.children import Child, PartFailed
from local_aws.cloudformation import REGION
from local_aws.ports import HOST, free_port
from local_aws.template import Function

# What Lambda's Python image brings besides the standard library, each with what it needs.
RUNTIME_PACKAGES = ("awslambdaric", "boto3")
# Empty folders under the layers' in the overlay.
NO_LAYERS = ("none", "nor-this")
START_SECONDS = 60
SITE_PACKAGES = f"python/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"

# Mounts that only the function sees. A new user namespace lets go of the leash (leash.py), so it is put on again.
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")
MOUNT = """
set -e
mount -t tmpfs tmpfs /var
mkdir /var/task
mount --bind -o ro "$1" /var/task
mount -t overlay overlay -o "lowerdir=$2" /opt
cd /var/task
shift 2
exec setpriv --pdeathsig TERM "$@"
"""

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a developer's proxy does not know this machine


@dataclass(frozen=True)
class Answer:
    """What an invocation gave. `error` is Lambda's description where the function failed, or could not be loaded."""

    payload: Any
    error: dict[str, Any] | None


@dataclass(frozen=True)
class Emulator:
    """One execution environment of a built function, from `emulate`."""

    address: str
    log_file: Path
    timeout: float

    @property
    def log(self) -> str:
        """What the function and the emulator wrote."""
        return self.log_file.read_text(errors="replace")

    @property
    def init_milliseconds(self) -> float:
        """How long the first invocation waited for the function to load, as the emulator reports it."""
        reports = re.findall(r"INIT REPORT\(durationMs: ([\d.]+)\)", self.log)
        return float(reports[0])

    def invoke(self, event: Any) -> Answer:
        """Send one event. Loading is lazy: the first invocation includes it."""
        place = f"{self.address}/2015-03-31/functions/function/invocations"
        request = urllib.request.Request(place, data=json.dumps(event).encode())  # noqa: S310 - our own address
        try:
            with _direct.open(request, timeout=self.timeout + 30) as response:
                body = response.read()
        except urllib.error.HTTPError as failure:  # 502: the function's module could not be loaded
            return Answer(payload=None, error=json.loads(failure.read()))
        try:
            payload = json.loads(body)
        except ValueError:  # the emulator's own words, as when the time is up
            return Answer(payload=None, error={"errorType": "Sandbox", "errorMessage": body.decode()})
        failed = isinstance(payload, dict) and "errorType" in payload
        return Answer(payload=None, error=payload) if failed else Answer(payload=payload, error=None)


@contextmanager
def emulate(function: Function, layers: Sequence[Path], environment: Mapping[str, str]) -> Iterator[Emulator]:
    """Start the emulator with one built function, and end both. `function.folder` is the built folder."""
    with tempfile.TemporaryDirectory(prefix="emulator-", ignore_cleanup_errors=True) as temporary:
        directory = Path(temporary)
        _provide_runtime(directory / "runtime")
        for name in NO_LAYERS:
            (directory / name).mkdir()
        program = directory / "aws-lambda-rie"
        shutil.copy(emulator_binary(), program)
        program.chmod(0o700)
        variables = _variables(function, layers, environment, directory / "runtime")
        command = [
            *_which("env", "-i", *(f"{name}={value}" for name, value in variables.items())),
            *(_mounts(function, layers, directory) if can_mount() else ()),
            program,
        ]
        child, port = _listening(function, command, directory / "log")
        try:
            yield Emulator(f"http://{HOST}:{port}", directory / "log", function.timeout)
        finally:
            child.stop()


def _listening(function: Function, command: Sequence[str | Path], log: Path) -> tuple[Child, int]:
    """Start the program on ports of its own; return it and the port where it takes events.

    It opens one port for events and one for the function, in no order, and ends where it cannot: that both are open
    proves nothing, since another process may have taken one first. Both must be its own; else it is started anew.
    """
    for attempts_left in (2, 1, 0):
        ports = free_port(), free_port()
        child = Child(
            function.name,
            [
                *command,
                *("--runtime-interface-emulator-address", f"{HOST}:{ports[0]}"),
                *("--runtime-api-address", f"{HOST}:{ports[1]}"),
                # -S: the standard library and PYTHONPATH, whatever else is installed here.
                *(_python(), "-S", "-m", "awslambdaric", function.handler),
            ],
            directory=function.folder,
            log=log,
        )
        try:
            child.wait_until(partial(child.listens_on, *ports), seconds=START_SECONDS)
        except PartFailed:
            child.stop()
            if not attempts_left:
                raise
        else:
            return child, ports[0]
    raise AssertionError("the last attempt returns or raises")


def _mounts(function: Function, layers: Sequence[Path], directory: Path) -> list[str]:
    # In an overlay the first folder wins, on Lambda the last layer; an overlay has two folders at least.
    lower = ":".join(map(str, [*reversed(layers), *(directory / name for name in NO_LAYERS)]))
    return [*_which(*UNSHARE), "sh", "-c", MOUNT, "sh", str(function.folder), lower]


def _variables(
    function: Function, layers: Sequence[Path], environment: Mapping[str, str], runtime: Path
) -> dict[str, str]:
    """Return the function's environment and what Lambda adds to it."""
    if can_mount():
        task, places = "/var/task", [Path("/opt")]
    else:
        task, places = str(function.folder), list(reversed(layers))
        # A layer without Python is one whose files its function looks for in /opt.
        files = next((str(layer) for layer in layers if not (layer / "python").exists()), "/opt")
        environment = {name: files if value == "/opt" else value for name, value in environment.items()}
    search = [str(place / packages) for place in places for packages in (SITE_PACKAGES, "python")]
    return {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": f"{function.timeout:.0f}",
        "AWS_REGION": REGION,
        "AWS_SECRET_ACCESS_KEY": "local",
        "LAMBDA_TASK_ROOT": task,
        "LANG": "en_US.UTF-8",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([*search, str(runtime)]),
        "TZ": ":UTC",
        **environment,
    }


def emulator_binary() -> Path:
    """Return the emulator in the sam package, for this machine."""
    machine = "arm64" if os.uname().machine in ("aarch64", "arm64") else "x86_64"
    program = Path("samcli", "local", "rapid", f"aws-lambda-rie-{machine}")
    return Path(str(metadata.distribution("aws-sam-cli").locate_file(program)))


@cache
def can_mount() -> bool:
    """Return whether the kernel gives us private mounts, and Python runs behind them (not when it lies in /opt)."""
    with tempfile.TemporaryDirectory() as name:
        lower = f"{name}:{Path(__file__).parent}"
        command = [*UNSHARE, "sh", "-c", MOUNT, "sh", name, lower, _python(), "-S", "-c", "import os"]
        try:
            return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0
        except OSError:
            return False


def _which(program: str, *arguments: str) -> list[str]:
    return [shutil.which(program) or program, *arguments]


def _python() -> str:
    """Return this interpreter without its virtual environment."""
    return str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())


def _provide_runtime(directory: Path) -> None:
    """Fill `directory` with links to what Lambda provides, in the versions installed here."""
    directory.mkdir()
    for name, place in _runtime_files().items():
        (directory / name).symlink_to(place)


@cache
def _runtime_files() -> dict[str, str]:
    return {
        name: str(distribution.locate_file(name))
        for distribution in _with_requirements(RUNTIME_PACKAGES)
        for name in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
    }


def _with_requirements(names: Sequence[str]) -> Iterator[metadata.Distribution]:
    """Yield the installed distributions of these names and of everything they require."""
    waiting, seen = list(names), set(names)
    while waiting:
        distribution = metadata.distribution(waiting.pop())
        yield distribution
        for requirement in distribution.requires or ():
            match = re.match(r"[\w.-]+", requirement)
            if match and "extra ==" not in requirement and match[0] not in seen:
                seen.add(match[0])
                waiting.append(match[0])
