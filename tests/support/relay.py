"""A bad line: a relay between a page and a server that is as slow as told, and cut as often as told."""

import contextlib
import math
import socket
import struct
import threading
import time
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

CHUNK = 16 * 1024
SMALL_BUFFER = 64 * 1024  # so that the sender's idea of what was sent is close to what was


class Relay:
    """Forward every connection to a server. Only what goes there is slow; answers come at once."""

    def __init__(self, target: str, *, bytes_per_second: float, cut_after: float | None = None) -> None:
        """`cut_after`: the seconds after which all connections of the moment are cut, again and again."""
        address = urlsplit(target)
        assert address.hostname
        assert address.port
        self._target = (address.hostname, address.port)
        self._rate = bytes_per_second
        self._cut_after = cut_after
        self._lock = threading.Lock()
        self._free_at = 0.0
        self._open: set[socket.socket] = set()
        self._ended = threading.Event()
        self._mended = threading.Event()
        self.sent = 0
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        """Take connections from now on."""
        threading.Thread(target=self._accept, daemon=True).start()
        if self._cut_after is not None:
            threading.Thread(target=self._cut_again_and_again, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cut what is left."""
        self._ended.set()
        self._mended.set()
        self._listener.close()
        self.cut()

    def mend(self) -> None:
        """Be a good line from now on: fast, and never cut."""
        self._rate = math.inf
        self._mended.set()

    def cut(self) -> None:
        """Reset all connections."""
        with self._lock:
            connections, self._open = self._open, set()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _cut_again_and_again(self) -> None:
        while not self._mended.wait(self._cut_after):
            self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                with self._lock:
                    self._open |= {client, server}
                threading.Thread(target=self._forward, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._forward, args=(server, client, False), daemon=True).start()

    def _forward(self, source: socket.socket, to: socket.socket, is_slow: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if is_slow:
                    self._wait_for(len(data))
                to.sendall(data)
        for one in (source, to):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _wait_for(self, size: int) -> None:
        """Wait until the line has room: all connections share it."""
        with self._lock:
            now = time.monotonic()
            self._free_at = max(now, self._free_at) + size / self._rate
            wait = self._free_at - now
            self.sent += size
        time.sleep(wait)
