"""PostHog, as far as delivery sees it: takes batches at /batch/, or fails, or never answers."""

import gzip
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.serving import StandInServer


class PostHog:
    """What was delivered, and how it answers: `up`, `failing` (500), or `hanging` until it is told otherwise.

    A batch with an event of the name `refused_event` is refused whole.
    """

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.requests = 0
        self.refused_event: str | None = None
        self._changed = threading.Condition()
        self._mood = "up"
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            """One request."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = stand_in._take(self.path, gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
                answer = b'{"status": "Ok"}'
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = StandInServer(Handler)
        self.host = self._server.url

    @property
    def mood(self) -> str:
        """How it answers now."""
        return self._mood

    @mood.setter
    def mood(self, mood: str) -> None:
        with self._changed:
            self._mood = mood
            self._changed.notify_all()

    def names(self, distinct_id: str) -> Counter[str]:
        """How often each event about someone or something was delivered, each uuid counted once, as PostHog does."""
        with self._changed:
            return Counter({e["uuid"]: e["event"] for e in self.events if e["distinct_id"] == distinct_id}.values())

    def wait_for_request(self, number: int) -> None:
        """Until so many requests have come in."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.requests >= number, timeout=20)

    def stop(self) -> None:
        """End it."""
        self.mood = "up"
        self._server.shutdown()
        self._server.server_close()

    def _take(self, path: str, body: bytes) -> int:
        with self._changed:
            self.requests += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._mood != "hanging")
            if path != "/batch/" or self._mood == "failing":
                return 500
            batch = json.loads(body)["batch"]
            if self.refused_event in {event["event"] for event in batch}:
                return 400
            self.events += batch
            return 200


@contextmanager
def listening() -> Iterator[PostHog]:
    """One for a test."""
    server = PostHog()
    yield server
    server.stop()
