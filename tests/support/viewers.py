"""Watching: tickets over HTTP, and viewers that hold a WebSocket open and hear what they are told."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
from websockets import Origin
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.image_jobs import Upload

HEARING_SECONDS = 20


class Viewer:
    """One open WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def say(self, **said: Any) -> None:
        """Send a message."""
        self.connection.send(json.dumps(said))

    def hear(self) -> dict[str, Any]:
        """Return the next message."""
        heard: dict[str, Any] = json.loads(self.connection.recv(timeout=HEARING_SECONDS))
        return heard

    def hello(self) -> dict[str, Any]:
        """Ask for the state; return the answer."""
        self.say(action="hello")
        return self.hear()

    def hear_until(self, done: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Return all messages up to the first one that is `done`."""
        heard = [self.hear()]
        while not done(heard[-1]):
            heard.append(self.hear())
        return heard

    def heard_so_far(self) -> list[dict[str, Any]]:
        """Return what was told before now: all that comes before the answer to a ping."""
        self.say(action="ping")
        return self.hear_until(lambda message: message == {"action": "pong"})[:-1]


@contextmanager
def watching(url: str, origin: str | None = None) -> Iterator[Viewer]:
    """Open a WebSocket; without an origin as whoever is no browser."""
    with connect(url, origin=Origin(origin) if origin else None, proxy=None, open_timeout=60) as connection:
        yield Viewer(connection)


def handshake(url: str, origin: str | None = None) -> int:
    """Return how a handshake is answered: 101 where it is let in, and then leaves."""
    try:
        with watching(url, origin):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def ask(http: httpx.Client, path: str, **headers: str) -> httpx.Response:
    """POST …/live."""
    return http.post(f"{path}/live", headers=headers)


def ticket(http: httpx.Client, path: str, **headers: str) -> str:
    """Return the URL that a new ticket opens."""
    answer = ask(http, path, **headers)
    assert answer.status_code == 201, answer.text
    url: str = answer.json()["liveUrl"]
    return url


def ticket_for(http: httpx.Client, upload: Upload) -> str:
    """Return the URL that opens a WebSocket for an image job."""
    return ticket(http, f"/api/status/{upload.id}", **upload.auth)


def token_of(url: str) -> str:
    """Return the ticket itself."""
    return url.rpartition("?ticket=")[2]


def watch(rows: psycopg.Connection[Any], topic: str, *connections: str, user: str | None = None) -> None:
    """Have these connections watch a topic, for some minutes already."""
    for connection in connections:
        rows.execute(
            "INSERT INTO live_connections (connection_id, topic, user_id, expires_at)"
            " VALUES (%s, %s, %s, now() + interval '1 hour')",
            (connection, topic, user),
        )
