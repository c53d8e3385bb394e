"""`make run`: the whole stack in the foreground, until Ctrl-C.

Standard output carries one line, once everything answers; what happens then is told on standard error, a line each.
"""

import fcntl
import json
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from local.children import PartFailed
from local.container_bridge import ContainerBridge, bridge_address
from local.environment_file import container_environment
from local.stack import PROJECT, LocalStack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WATCH_SECONDS = 0.5


def directory() -> Path:
    """Where the local stack keeps its data, logs and addresses."""
    return Path(os.environ.get("INLET_DIRECTORY") or PROJECT / ".inlet")


def settings() -> dict[str, str]:
    """The environment, without what is set to nothing."""
    return {name: value for name, value in os.environ.items() if value}


def run() -> int:
    """Run until told to stop; the exit status."""
    home = directory()
    home.mkdir(parents=True, exist_ok=True)
    on_stop_signals(lambda *_: sys.exit(0))  # while starting: give up, which stops what has started
    try:
        with only_one(home), LocalStack(home, settings(), report=say) as stack, open_to_containers(stack):
            stop = threading.Event()
            on_stop_signals(lambda *_: stop.set())
            announce(home, stack)
            while not stop.wait(WATCH_SECONDS):
                stack.check()
            say("stopping")
            (home / "stack.json").unlink()
    except PartFailed as failure:
        print(f"Inlet stopped. {failure}", file=sys.stderr)
        return 1
    return 0


def on_stop_signals(handler: "Callable[..., object]") -> None:
    """What Ctrl-C and a polite kill do from now on."""
    signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGTERM, handler)


def announce(home: Path, stack: LocalStack) -> None:
    """Write down the addresses for `demo`, `seed` and `sam local invoke`, then say that all is ready."""
    addresses = {
        "url": stack.url,
        "database_url": stack.database_url,
        "s3": {
            name: stack.environment[name]
            for name in ("S3_ENDPOINT_URL", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "BUCKET")
        },
        "pid": os.getpid(),
    }
    write_json(home / "stack.json", addresses)
    write_json(home / "env.json", container_environment(stack))
    print(f"Inlet is ready: {stack.url}   (Ctrl-C stops; make demo shows it at work)", flush=True)


@contextmanager
def open_to_containers(stack: LocalStack) -> "Iterator[None]":
    """Where Docker's bridge is, let `sam local invoke` reach the stack's servers."""
    if (address := bridge_address()) is None:
        yield
        return
    bridge = ContainerBridge(address, [port for url in stack.server_urls if (port := urlsplit(url).port)])
    bridge.start()
    try:
        yield
    finally:
        bridge.stop()


def say(line: str) -> None:
    """One log line."""
    print(f"{time.strftime('%H:%M:%S')}  {line}", file=sys.stderr, flush=True)


@contextmanager
def only_one(home: Path) -> "Iterator[IO[str]]":
    """Hold the directory: two stacks on one would ruin its data. The kernel lets go when the process ends."""
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            known = home / "stack.json"
            where = f" at {json.loads(known.read_text())['url']}" if known.exists() else ""
            raise PartFailed("Inlet", f"is already running{where} on {home}.") from None
        yield lock


def write_json(file: Path, content: object) -> None:
    """Readable, and only by its owner: it holds addresses and keys."""
    file.write_text(json.dumps(content, indent=2) + "\n")
    file.chmod(0o600)
