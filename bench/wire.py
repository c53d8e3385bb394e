"""A proxy in front of Postgres that counts round trips: how often a client says "now answer me" (Sync or Query)."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

_ROUND_TRIP = frozenset(b"SQ")  # message types of the frontend/backend protocol: Sync, simple Query


class CountingProxy:
    """Listens on a free port; `url` is the database's through it, `round_trips` what has passed so far."""

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        who, at, _ = parts.netloc.rpartition("@")
        self.url = urlunsplit(parts._replace(netloc=f"{who}{at}127.0.0.1:{port}"))
        self.round_trips = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            threading.Thread(target=self._forward_counting, args=(client, server), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client), daemon=True).start()

    def _forward_counting(self, client: socket.socket, server: socket.socket) -> None:
        with server, suppress(OSError):
            self._count(client, server)

    def _count(self, client: socket.socket, server: socket.socket) -> None:
        waiting = b""
        started = False
        while data := client.recv(65536):
            waiting += data
            while len(waiting) >= (5 if started else 8):
                # The first messages (SSLRequest, StartupMessage) have no type byte.
                head = 1 if started else 0
                length = head + int.from_bytes(waiting[head : head + 4])
                if len(waiting) < length:
                    break
                if started:
                    self.round_trips += waiting[0] in _ROUND_TRIP
                started = started or waiting[4:8] != b"\x04\xd2\x16\x2f"  # an SSLRequest is followed by a startup
                waiting = waiting[length:]
            server.sendall(data)

    @staticmethod
    def _forward(server: socket.socket, client: socket.socket) -> None:
        try:
            while data := server.recv(65536):
                client.sendall(data)
        except OSError:
            return


@contextmanager
def counting(database_url: str) -> Iterator[CountingProxy]:
    """Count through a proxy for the length of a block."""
    proxy = CountingProxy(database_url)
    try:
        yield proxy
    finally:
        proxy.close()
