"""Free TCP ports on the loopback interface, the same ones again after a restart where they are still free."""

import fcntl
import itertools
import json
import os
import random
import socket
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"
# Linux gives clients ports from 32768 on, macOS from 49152.
PORTS = range(20_000, 32_768)
# Each process looks for its own in another share of these, which it holds until it ends.
SHARES = 50
_LOCKS = Path(tempfile.gettempdir(), f"local-aws-ports-{os.getuid()}")
_held: list[IO[str]] = []


class NoFreePort(Exception):
    """Every port that this process may take is taken."""


def free_port() -> int:
    """Return a port that nobody listens on now, and that no client's connection is given before a server takes it.

    A process is told each port once before any a second time: a server needs a while to take its port, and must not
    find there another that asked meanwhile. Raise `NoFreePort` when all of the process's share are taken.
    """
    candidates = itertools.islice(_candidates(os.getpid()), len(PORTS) // SHARES + 1)
    if (port := next(filter(is_free, candidates), None)) is None:
        raise NoFreePort(f"All of this process's ports between {PORTS.start} and {PORTS.stop} are taken.")
    return port


@cache
def _candidates(process: int) -> Iterator[int]:
    """Return a process's share in random order, over and over; one iterator a process, so that a fork has its own."""
    share = PORTS[_take_share(process) :: SHARES]
    return itertools.cycle(random.sample(share, len(share)))


def _take_share(process: int) -> int:
    """Lock a share that no other process of this user holds, and return its number. The lock ends with the process."""
    _LOCKS.mkdir(mode=0o700, exist_ok=True)
    for number in range(process, process + SHARES):
        lock = (_LOCKS / str(number % SHARES)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            _held.append(lock)
            return number % SHARES
    return process % SHARES  # more processes than shares: a neighbour's, as good as any


def is_free(port: int) -> bool:
    """Return whether a server could listen on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def remembered_ports(file: Path, names: Iterable[str]) -> dict[str, int]:
    """Return a port for each name, kept in `file`: presigned URLs and a developer's `psql` survive a restart."""
    known: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    chosen: dict[str, int] = {}
    for name in names:
        port = known.get(name, 0)
        while port in chosen.values() or not (port and is_free(port)):
            port = free_port()
        chosen[name] = port
    file.write_text(json.dumps(known | chosen))
    return chosen
