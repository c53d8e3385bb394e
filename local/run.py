"""`make run`: the whole stack in the foreground, until Ctrl-C.

Standard output carries one line, once everything answers; what happens then is told on standard error, a line each.
"""

import fcntl
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from local.addresses import Addresses, environment, home, write_json
from local.environment_file import container_environment
from local.stack import LocalStack, is_on
from local_aws.children import PartFailed
from local_aws.container_bridge import ContainerBridge, bridge_address
from local_aws.gateway import PortInUse
from local_aws.secret_files import private_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WATCH_SECONDS = 0.5


def run() -> int:
    """Run until told to stop; return the exit status."""
    stop = threading.Event()

    def give_up(*_: object) -> None:
        stop.set()  # the exit may be lost, raised in a place that swallows exceptions such as a finalizer
        sys.exit(0)

    on_stop_signals(give_up)  # while starting; what has started is stopped on the way out
    try:
        with (
            only_one() as directory,
            LocalStack(directory, environment(), report=say) as stack,
            containers_reach(stack),
            announced(stack),
        ):
            on_stop_signals(lambda *_: stop.set())
            say(f"functions log to {stack.function_log}")
            say(f"numbers: {stack.numbers_url}")
            if stack.issuer:
                say(f"people sign in at {stack.issuer.url}, as whoever they say they are")
            print(f"Inlet is ready: {stack.url}   (Ctrl-C stops; make demo shows it at work)", flush=True)
            while not stop.wait(WATCH_SECONDS):
                stack.check()
            say("stopping")
    except PartFailed as failure:
        hint = " Choose another: PORT=8123 make run" if isinstance(failure, PortInUse) else ""
        print(f"Inlet stopped. {failure}{hint}", file=sys.stderr)
        return 1
    return 0


def on_stop_signals(handler: "Callable[..., object]") -> None:
    """Set what Ctrl-C and a polite kill do from now on."""
    signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGTERM, handler)


@contextmanager
def announced(stack: LocalStack) -> "Iterator[None]":
    """Write down the addresses for the other commands and for `sam local invoke`."""
    Addresses.of(stack).save()
    write_json(home() / "env.json", container_environment(stack))
    try:
        yield
    finally:
        Addresses.forget()


@contextmanager
def containers_reach(stack: LocalStack) -> "Iterator[None]":
    """Let containers, all of them, reach the stack's servers if SAM_LOCAL asks for it and Docker's bridge is there."""
    address = bridge_address()
    if address is None or not is_on(environment().get("SAM_LOCAL")):
        if address is not None:
            say("no container reaches this stack; SAM_LOCAL=true make run lets all of them, for sam local invoke")
        yield
        return
    bridge = ContainerBridge(address, [port for url in stack.server_urls if (port := urlsplit(url).port)])
    bridge.start()
    try:
        yield
    finally:
        bridge.stop()


def say(line: str) -> None:
    """Print one log line."""
    print(f"{time.strftime('%H:%M:%S')}  {line}", file=sys.stderr, flush=True)


@contextmanager
def only_one() -> "Iterator[Path]":
    """Hold the directory: two stacks on one would ruin its data. The kernel lets go when the process ends.

    Files that are made meanwhile are for their owner alone.
    """
    before = os.umask(0o077)
    try:
        directory = private_directory(home())
        with (directory / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                running = Addresses.running()
                where = f" at {running.url}" if running else ""
                raise PartFailed("Inlet", f"is already running{where} on {directory}.") from None
            yield directory
    finally:
        os.umask(before)
