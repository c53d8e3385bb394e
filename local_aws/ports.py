"""Free TCP ports on the loopback interface, the same ones again after a restart where they are still free."""

import json
import os
import secrets
import socket
from collections.abc import Iterable
from pathlib import Path

HOST = "127.0.0.1"
# Linux gives clients ports from 32768 on, macOS from 49152.
PORTS = range(20_000, 32_768)
# Processes started together look for theirs in different shares of these.
SHARES = 50


def free_port() -> int:
    """A port nobody listens on now, and no client's connection is given before a server takes it."""
    while not is_free(port := secrets.choice(PORTS[os.getpid() % SHARES :: SHARES])):
        pass
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def remembered_ports(file: Path, names: Iterable[str]) -> dict[str, int]:
    """A port for each name, kept in `file`, so presigned URLs and a developer's `psql` survive a restart."""
    known: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    chosen: dict[str, int] = {}
    for name in names:
        port = known.get(name, 0)
        while port in chosen.values() or not (port and is_free(port)):
            port = free_port()
        chosen[name] = port
    file.write_text(json.dumps(known | chosen))
    return chosen
