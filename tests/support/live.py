"""A client that watches an image job over its WebSocket, as the pages do."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.support.image_jobs import Upload

SECONDS = 30
SILENCE_SECONDS = 5  # then a page asks: a push may be lost


@contextmanager
def watching(http: httpx.Client, upload: Upload) -> Iterator[ClientConnection]:
    """A connection, opened with a ticket."""
    ticket = http.post(f"/api/status/{upload.id}/live", headers=upload.auth).raise_for_status().json()
    with connect(ticket["liveUrl"], open_timeout=SECONDS) as socket:
        yield socket


def say(socket: ClientConnection, **message: Any) -> dict[str, Any]:
    """Send a message; the next one that comes."""
    socket.send(json.dumps(message))
    return json.loads(socket.recv(timeout=SECONDS))  # type: ignore[no-any-return]


def until_it_ends(socket: ClientConnection) -> list[dict[str, Any]]:
    """What is pushed until the job has ended."""
    told: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60
    while not told or told[-1]["state"]["status"] in ("pending", "processing"):
        assert time.monotonic() < deadline, told
        try:
            told.append(json.loads(socket.recv(timeout=SILENCE_SECONDS)))
        except TimeoutError:
            socket.send(json.dumps({"action": "hello"}))
    return told
