"""Clients of the echo bundle's WebSocket API, as plain as they can be, and a stack that serves it."""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from local_aws.stack import Stack
from local_aws.template import Template
from local_aws.tests.echo_bundle import SHARED, TEMPLATE

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient

KB = 1024


class Talk:
    """A running stack of the bundle, and what its function was told."""

    def __init__(self, directory: Path, name: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.journal = directory / "journal"
        self.journal.touch()
        self.stack = Stack(
            Template(TEMPLATE, name),
            directory,
            shared=SHARED,
            environment={"JOURNAL": str(self.journal)},
            port=0,
            schedule_seconds=0,
        )

    @property
    def url(self) -> str:
        assert self.stack.live_url is not None
        return self.stack.live_url

    def open(self, query: str = "", **options: Any) -> ClientConnection:
        client: ClientConnection = connect(self.url + query, open_timeout=30, **options)
        return client

    def refused(self, query: str = "", **options: Any) -> int:
        with pytest.raises(InvalidStatus) as refusal:
            self.open(query, **options)
        return refusal.value.response.status_code

    def events(self, kind: str = "", connection: str = "") -> list[dict[str, Any]]:
        told = [json.loads(line) for line in self.journal.read_text().splitlines()]
        return [
            event
            for event in told
            if event["requestContext"]["eventType"].startswith(kind)
            and event["requestContext"]["connectionId"].startswith(connection)
        ]

    def disconnect_of(self, connection: str) -> dict[str, Any]:
        """The event of the connection's end, once it came."""
        wait_until(lambda: bool(self.events("DISCONNECT", connection)))
        (event,) = self.events("DISCONNECT", connection)
        context: dict[str, Any] = event["requestContext"]
        return context

    def management(self) -> "ApiGatewayManagementApiClient":
        return boto3.client(
            "apigatewaymanagementapi",
            endpoint_url=self.stack.environment["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"],
            region_name="eu-west-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",
            config=Config(proxies={}, retries={"total_max_attempts": 1}),
        )


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ask(client: ClientConnection, message: Any) -> dict[str, Any]:
    client.send(message if isinstance(message, str) else json.dumps(message))
    answer: dict[str, Any] = json.loads(client.recv(timeout=30))
    return answer


def id_of(client: ClientConnection) -> str:
    connection: str = ask(client, {"who": "am I"})["event"]["requestContext"]["connectionId"]
    return connection


def closed_with(client: ClientConnection) -> int | None:
    """The code of the close, behind whatever was sent before it."""
    try:
        while True:
            client.recv(timeout=30)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


@contextmanager
def unread(url: str) -> Iterator[socket.socket]:
    """A client that opens a connection and reads no more than its handshake."""
    host, port, path = re.fullmatch(r"ws://(.*):(\d+)(/.*)", url).groups()  # type: ignore[union-attr]
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((host, int(port)))
        key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n"
        opening = (
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n"
        )
        client.sendall(opening.encode())
        received = b""
        while not received.endswith(b"\r\n\r\n"):
            received += client.recv(1)
        assert received.startswith(b"HTTP/1.1 101 ")
        yield client
