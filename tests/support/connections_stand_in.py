"""What API Gateway does with what is posted to connections, or how it misbehaves: for functions without a gateway."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

from tests.support.serving import StandInServer

ERRORS = {
    403: "ForbiddenException",
    410: "GoneException",
    413: "PayloadTooLargeException",
    429: "LimitExceededException",
}


class Connections:
    """`answers` says by the connection's id, or "*" for all, what it does: a status, or `hang` until the end."""

    def __init__(self) -> None:
        self.answers: dict[str, int | str] = {}
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                connection = unquote(self.path.removeprefix("/@connections/"))
                with stand_in._lock:
                    stand_in.posted.append((connection, json.loads(body)))
                answer = stand_in.answers.get(connection, stand_in.answers.get("*", 200))
                if answer == "hang":
                    stand_in._stopped.wait(60)
                    return
                self.send_response(int(answer))
                if int(answer) in ERRORS:
                    self.send_header("x-amzn-errortype", ERRORS[int(answer)])
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = StandInServer(Handler)
        self.url = self._server.url

    def told(self, connection: str) -> list[dict[str, Any]]:
        """Return what was posted to a connection, in order."""
        with self._lock:
            return [message for to, message in self.posted if to == connection]

    def stop(self) -> None:
        """End it."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def listening() -> Iterator[Connections]:
    """One for a test."""
    stand_in = Connections()
    yield stand_in
    stand_in.stop()
