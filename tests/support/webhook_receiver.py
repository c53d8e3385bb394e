"""The owner's backend: takes webhooks, verified by the library's own verifier, or misbehaves as it is told."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from standardwebhooks import Webhook

from tests.support.serving import StandInServer

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBvd25lcidzIGJhY2tlbmQ="


@dataclass(frozen=True)
class Taken:
    """One request: its id, its body as text and as an object."""

    id: str
    text: str
    message: dict[str, Any]
    headers: dict[str, str]


class Receiver:
    """`answers` says by the notification's id, or "*" for all, what it does: a status, `hang` or `close`."""

    def __init__(self) -> None:
        self.secret = SECRET
        self.answers: dict[str, int | str] = {}
        self.headers: dict[str, str] = {}
        self.requests: list[Taken] = []
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                taken = stand_in._take(dict(self.headers), body)
                answer = stand_in.answers.get(taken.id, stand_in.answers.get("*", 204))
                if answer == "close":
                    with suppress(OSError):
                        self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if answer == "hang":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n")  # and never the rest
                    stand_in._stopped.wait(60)
                    return
                self.send_response(int(answer))
                for name, value in stand_in.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = StandInServer(Handler)
        self.url = f"{self._server.url}/hooks"

    def ids(self) -> list[str]:
        """Return the ids of all requests, in the order they came."""
        with self._changed:
            return [taken.id for taken in self.requests]

    def wait_for(self, kind: str) -> Taken:
        """Return the first notification of a type, once it has come."""

        def found() -> list[Taken]:
            return [taken for taken in self.requests if taken.message["type"] == kind]

        with self._changed:
            assert self._changed.wait_for(found, timeout=20), f"no {kind} has come"
            return found()[0]

    def stop(self) -> None:
        """End it."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def _take(self, headers: dict[str, str], body: bytes) -> Taken:
        message = Webhook(self.secret).verify(body, headers)
        lower = {name.lower(): value for name, value in headers.items()}
        taken = Taken(lower["webhook-id"], body.decode(), message, lower)
        with self._changed:
            self.requests.append(taken)
            self._changed.notify_all()
        assert json.loads(body) == message
        return taken


@contextmanager
def listening() -> Iterator[Receiver]:
    """One for a test."""
    receiver = Receiver()
    yield receiver
    receiver.stop()
