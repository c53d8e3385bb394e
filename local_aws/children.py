"""Programs run beside this process: started on a leash, watched, stopped, never left behind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals

import psutil

from local_aws.loopback import of_the_machine

LEASH = Path(__file__).with_name("leash.py")

# The kernel ties a death signal to the *thread* that started the child. All children are started from this one thread,
# which lives as long as the process; a test's short-lived thread would otherwise take Postgres with it.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="children")


class PartFailed(Exception):
    """A part of the local stack could not start, or ended by itself. Says which, and why."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"{part}: {reason}")
        self.part = part
        self.reason = reason


class Child:
    """One program with its log file. `directory` is its working directory, by which an orphan is recognised."""

    def __init__(
        self,
        part: str,
        command: Sequence[str | Path],
        *,
        directory: Path,
        log: Path,
        stop_signal: Signals = SIGTERM,
        leave_root: bool = False,
    ) -> None:
        self.part = part
        self._log = log
        self._stop_signal = stop_signal
        self._process = _starter.submit(self._start, command, directory, leave_root).result()

    def _start(self, command: Sequence[str | Path], directory: Path, leave_root: bool) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            leashed(command, self._stop_signal, directory if leave_root else None),
            cwd=directory,
            env=of_the_machine(),
            stdin=subprocess.DEVNULL,
            stdout=self._log.open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the terminal's Ctrl-C reaches only us; we stop our children in order
        )

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self._process.pid

    def check(self) -> None:
        """Raise `PartFailed` with the log's last lines when the program has ended."""
        if (status := self._process.poll()) is not None:
            raise PartFailed(self.part, f"ended with status {status}.\n{last_lines(self._log)}")

    def listens_on(self, *ports: int) -> bool:
        """Return whether the program itself, and nobody else, listens on all these ports."""
        try:
            connections = psutil.Process(self.pid).net_connections("tcp")
        except psutil.NoSuchProcess:
            return False
        own = {known.laddr.port for known in connections if known.status == psutil.CONN_LISTEN}
        return own.issuperset(ports)

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait until `ready()`; `PartFailed` when the program ends first or takes too long."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise PartFailed(self.part, f"not ready after {seconds:.0f} s.\n{last_lines(self._log)}")
            time.sleep(0.01)

    def stop(self, *, seconds: float = 10) -> None:
        """Ask the program to end, then make it."""
        if self._process.poll() is None:
            self._process.send_signal(self._stop_signal)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the program at once, as a crash would."""
        self._process.send_signal(SIGKILL)
        self._process.wait()


def leashed(command: Sequence[str | Path], death_signal: Signals, leave_root_owning: Path | None) -> list[str]:
    """Return the command line that runs `command` on a leash (see leash.py)."""
    return [
        sys.executable,
        *("-I", "-S", str(LEASH), str(os.getpid()), death_signal.name, str(leave_root_owning or "-")),
        *map(str, command),
    ]


def last_lines(log: Path, count: int = 8) -> str:
    """Return where a log file is and how it ends, for a message."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join([f"  The end of {log}:", *(f"  {line}" for line in lines[-count:])])


def end_orphans(program: str, directory: Path) -> None:
    """End what a killed earlier run left working in `directory`: its own pid files cannot be trusted after a crash."""
    orphans = {
        process.pid: process
        for process in psutil.process_iter(["name", "cwd", "ppid"])
        if process.info["name"] == program and process.info["cwd"] == str(directory.resolve())
    }
    for process in orphans.values():
        if process.info["ppid"] not in orphans:  # a server ends its own helpers, in the right order
            with_signal(process, SIGINT)
    stubborn = wait_for_end(orphans.values(), seconds=5)
    for process in stubborn:
        with_signal(process, SIGKILL)
    wait_for_end(stubborn, seconds=5)


def wait_for_end(processes: Iterable[psutil.Process], *, seconds: float) -> list[psutil.Process]:
    """Wait for processes that are not our children; return those still alive.

    A dead one that its parent, often a slow pid 1, has not yet asked about is as good as gone.
    """
    deadline = time.monotonic() + seconds
    while (alive := [process for process in processes if _is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return alive


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def with_signal(process: psutil.Process, number: Signals) -> None:
    """Send a signal to a process that may have just ended."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
