"""Connections of the local WebSocket API: what functions post to them, how long they last, and how they end."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from local_aws import websocket_api
from local_aws.gateway import Api, Gateway
from local_aws.sandboxes import Sandboxes
from local_aws.template import Template
from local_aws.tests.talk import KB, Talk, closed_with, id_of, unread, wait_until
from local_aws.websocket_api import WebSocketApi

# What functions post


def test_boto3_finds_posts_to_and_ends_a_connection(talk: Talk) -> None:
    management = talk.management()
    with talk.open(user_agent_header="test/2") as client:
        connection = id_of(client)
        for number in range(20):
            management.post_to_connection(ConnectionId=connection, Data=f"é{number}".encode())
        assert [client.recv(timeout=30) for _ in range(20)] == [f"é{number}" for number in range(20)]
        found = management.get_connection(ConnectionId=connection)
        assert found["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "test/2"}
        assert found["ConnectedAt"] <= found["LastActiveAt"]
        management.post_to_connection(ConnectionId=connection, Data=b"last words")
        management.delete_connection(ConnectionId=connection)
        assert client.recv(timeout=30) == "last words"
        assert closed_with(client) == 1001
    assert talk.disconnect_of(connection)["disconnectStatusCode"] == 1001
    gone(talk, connection)


def gone(talk: Talk, connection: str) -> None:
    management = talk.management()
    calls: list[Callable[[], object]] = [
        partial(management.post_to_connection, ConnectionId=connection, Data=b"x"),
        partial(management.get_connection, ConnectionId=connection),
        partial(management.delete_connection, ConnectionId=connection),
    ]
    for call in calls:
        assert refusal_of(call) == "GoneException"


def refusal_of(call: Callable[[], object]) -> str | None:
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def test_a_connection_of_which_the_client_has_gone_is_gone(talk: Talk) -> None:
    with talk.open() as client:
        connection = id_of(client)
        client.close(4000, "had enough")
    assert talk.disconnect_of(connection)["disconnectStatusCode"] == 4000
    gone(talk, connection)
    gone(talk, "never-was=")


def test_a_client_that_is_cut_off_is_gone(talk: Talk) -> None:
    with unread(talk.url):
        connection = talk.events("CONNECT")[-1]["requestContext"]["connectionId"]
    assert talk.disconnect_of(connection)["disconnectStatusCode"] in (1005, 1006)
    gone(talk, connection)


def test_nothing_can_be_posted_before_connect_has_answered(talk: Talk) -> None:
    assert talk.refused("?do=post") == 418


def test_too_large_a_post_is_refused(talk: Talk) -> None:
    with talk.open() as client:
        connection = id_of(client)
        with pytest.raises(ClientError) as refused:
            talk.management().post_to_connection(ConnectionId=connection, Data=b"x" * (128 * KB + 1))
        assert refused.value.response["Error"]["Code"] == "PayloadTooLargeException"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
        talk.management().post_to_connection(ConnectionId=connection, Data=b"x" * (128 * KB))
        assert client.recv(timeout=30) == "x" * (128 * KB)


def test_who_does_not_read_is_let_go_and_nobody_else_waits(talk: Talk) -> None:
    management = talk.management()
    with unread(talk.url), talk.open() as other:
        connection = talk.events("CONNECT")[-2]["requestContext"]["connectionId"]
        other_connection = id_of(other)
        assert connection != other_connection
        post = partial(management.post_to_connection, ConnectionId=connection, Data=b"x" * (128 * KB))
        wait_until(lambda: refusal_of(post) == "GoneException")
        management.post_to_connection(ConnectionId=other_connection, Data=b"for you")
        assert other.recv(timeout=30) == "for you"
        assert talk.disconnect_of(connection)["disconnectStatusCode"] == 1006


def test_no_page_reaches_the_connections(talk: Talk) -> None:
    endpoint = talk.stack.environment["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"]
    with talk.open() as client:
        connection = id_of(client)
        path = f"/@connections/{connection.replace('=', '%3D')}"
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Mode": "no-cors"}, {"Host": "evil.example"}):
            assert httpx.post(f"{endpoint}{path}", headers=headers, content=b"x").status_code == 403
        assert httpx.post(f"{endpoint.rpartition('/')[0]}{path}", content=b"x").status_code == 403
        assert httpx.post(f"{talk.stack.url}{path}", content=b"x").status_code == 404
        assert httpx.post(f"{endpoint}{path}", content=b"from who was told").status_code == 200
        assert client.recv(timeout=30) == "from who was told"


# Limits of time


@pytest.fixture
def limited(echo_template: Template, echo_sandboxes: Sandboxes) -> Iterator[Callable[..., str]]:
    """`limited(idle_seconds=…)`: where the bundle is served under such limits."""
    with ExitStack() as stack:

        def serve(**seconds: float) -> str:
            gateway = Gateway(0)
            stack.callback(gateway.close)
            stack.callback(gateway.stop)
            declared = echo_template.websocket_routes
            assert declared is not None
            websockets = WebSocketApi(declared, echo_sandboxes.invoke, **seconds)
            invoke = echo_sandboxes.invoke
            gateway.start(Api(echo_template, invoke, port=gateway.port, auth_bypass=False, websockets=websockets))
            return f"ws://127.0.0.1:{gateway.port}/talk"

        yield serve


def test_a_connection_ends_when_nothing_is_said(limited: Callable[..., str]) -> None:
    with connect(limited(idle_seconds=0.3)) as client:
        assert closed_with(client) == 1001


def test_a_connection_ends_at_its_age_whatever_is_said(limited: Callable[..., str]) -> None:
    began = time.monotonic()
    with connect(limited(connection_seconds=1, idle_seconds=0.9)) as client:
        with suppress(ConnectionClosed):
            while True:
                client.send("still here")
                time.sleep(0.1)
        assert closed_with(client) == 1001
    assert time.monotonic() - began >= 1, "what is said keeps it open until then"


# The end of a stack


def test_a_stack_stops_at_once_with_open_connections(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    talk = Talk(tmp_path, "stopping")
    with ExitStack() as clients, caplog.at_level(logging.DEBUG):
        with talk.stack:
            reading = clients.enter_context(talk.open())
            connection = id_of(reading)
            clients.enter_context(unread(talk.url))
            deaf = talk.events("CONNECT")[-1]["requestContext"]["connectionId"]
            for _ in range(websocket_api.UNREAD_MESSAGES // 2):
                talk.management().post_to_connection(ConnectionId=deaf, Data=b"x" * (128 * KB))
            began = time.monotonic()
        assert time.monotonic() - began < 6, "the gateway alone would wait for ten seconds"
        assert closed_with(reading) == 1001
    assert {talk.disconnect_of(one)["disconnectStatusCode"] for one in (connection, deaf)} == {1001, 1006}
    loud = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in loud] == []


def test_two_stacks_side_by_side_keep_their_connections_apart(talk: Talk, tmp_path: Path) -> None:
    other = Talk(tmp_path, "beside")
    with other.stack, talk.open() as here, other.open() as there:
        connection = id_of(there)
        gone(talk, connection)
        other.management().post_to_connection(ConnectionId=connection, Data=b"there")
        assert there.recv(timeout=30) == "there"
        assert id_of(here) != connection


def test_a_connection_hung_up_before_it_stood_is_told_as_ended(talk: Talk, tmp_path: Path) -> None:
    """Its `$connect` may have written down that it is there."""
    go = tmp_path / "go"
    before = len(talk.events("CONNECT"))

    async def hang_up() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(talk.stack.url.rpartition(":")[2]))
        key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n"
        host = talk.stack.url.rpartition("/")[2]
        opening = (
            f"GET /talk?do=wait&file={go} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        )
        writer.write(f"{opening}{key}\r\n".encode())
        await writer.drain()
        await asyncio.to_thread(wait_until, lambda: len(talk.events("CONNECT")) > before)
        writer.close()
        await writer.wait_closed()
        del reader

    asyncio.run(hang_up())
    go.touch()
    connection = talk.events("CONNECT")[-1]["requestContext"]["connectionId"]
    assert talk.disconnect_of(connection)["disconnectStatusCode"] == 1006
