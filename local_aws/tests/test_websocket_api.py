"""The local WebSocket API: handshakes, routes, messages and their limits."""

import json
import logging
import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from local_aws.template import Template
from local_aws.tests.echo_bundle import TEMPLATE
from local_aws.tests.talk import KB, Talk, ask, closed_with, id_of


def test_a_handshake_is_told_as_aws_tells_it(talk: Talk) -> None:
    headers = {"Origin": "https://app.example.com", "X-Tag": "one"}
    with talk.open("?a=1&b=&a=%C3%A9", additional_headers=headers, user_agent_header="test/1") as client:
        connection = id_of(client)
    (event,) = talk.events("CONNECT", connection)
    assert event["queryStringParameters"] == {"a": "é", "b": ""}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "é"], "b": [""]}
    assert (event["headers"]["Origin"], event["multiValueHeaders"]["X-Tag"]) == ("https://app.example.com", ["one"])
    assert event["isBase64Encoded"] is False
    assert "body" not in event
    context = event["requestContext"]
    assert (context["routeKey"], context["eventType"], context["messageDirection"]) == ("$connect", "CONNECT", "IN")
    assert (context["stage"], context["domainName"]) == ("talk", "127.0.0.1")
    assert context["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "test/1"}
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["requestTime"])
    assert context["connectedAt"] <= context["requestTimeEpoch"] <= time.time() * 1000


def test_a_handshake_without_a_query_has_none_in_its_event(talk: Talk) -> None:
    with talk.open() as client:
        (event,) = talk.events("CONNECT", id_of(client))
    assert not {"queryStringParameters", "multiValueQueryStringParameters"} & event.keys()


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ('?do=answer&value={"statusCode":403}', 403),
        ('?do=answer&value={"statusCode":429}', 429),
        ('?do=answer&value={"statusCode":"no%20number"}', 502),
        ("?do=answer&value=[]", 502),
        ("?do=fail", 502),
    ],
)
def test_connect_decides_with_which_status_a_handshake_is_refused(
    talk: Talk, caplog: pytest.LogCaptureFixture, told: str, status: int
) -> None:
    with caplog.at_level(logging.INFO):
        assert talk.refused(told) == status
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []
    refused = talk.events("CONNECT")[-1]["requestContext"]["connectionId"]
    assert talk.events("DISCONNECT", refused) == [], "what never stood does not end"


def test_a_stage_that_is_not_there_and_a_name_made_to_point_here_are_refused(talk: Talk) -> None:
    before = len(talk.events("CONNECT"))
    with pytest.raises(InvalidStatus) as elsewhere:
        connect(talk.url.replace("/talk", "/chat"))
    assert elsewhere.value.response.status_code == 403
    with socket.create_connection(("127.0.0.1", int(talk.stack.url.rpartition(":")[2]))) as rebound:
        rebinding = talk.url.replace("127.0.0.1", "evil.example")
        with pytest.raises(InvalidStatus) as refused:
            connect(rebinding, sock=rebound)
    assert refused.value.response.status_code == 421
    assert len(talk.events("CONNECT")) == before


def test_a_template_may_switch_the_endpoint_off() -> None:
    assert Template(TEMPLATE, "off", {"Sockets": "off"}).websocket_routes is None
    routes = Template(TEMPLATE, "on").websocket_routes
    assert routes is not None
    assert routes.functions.keys() == {"$connect", "$disconnect", "$default", "shout"}


# Messages


@pytest.mark.parametrize(
    ("message", "route"),
    [
        ('{"say": {"what": "shout"}}', "shout"),
        ('{"say": {"what": "sing"}}', "$default"),
        ('{"say": {"what": "$connect"}}', "$default"),
        ('{"say": {"what": ["shout"]}}', "$default"),
        ('{"say": "shout"}', "$default"),
        ('["shout"]', "$default"),
        ("shout", "$default"),
        ("", "$default"),
    ],
)
def test_a_message_goes_where_the_selection_expression_finds(talk: Talk, message: str, route: str) -> None:
    with talk.open() as client:
        told = ask(client, message)
    assert told["route"] == route
    event = told["event"]
    assert event["body"] == message
    assert (event["requestContext"]["eventType"], event["isBase64Encoded"]) == ("MESSAGE", False)
    assert event["requestContext"]["messageId"]
    assert not {"headers", "queryStringParameters"} & event.keys()


def test_a_function_that_fails_is_told_to_its_client_who_stays(talk: Talk) -> None:
    with talk.open() as client:
        said = ask(client, {"do": "fail"})
        assert said["message"] == "Internal server error"
        assert said["connectionId"] == id_of(client)
        assert said["requestId"]


def test_a_message_waits_for_none_before_it(talk: Talk, tmp_path: Path) -> None:
    with talk.open() as client:
        client.send(json.dumps({"do": "wait", "file": str(tmp_path / "go")}))
        assert ask(client, {"second": True})["event"]["body"] == '{"second": true}'
        (tmp_path / "go").touch()
        assert json.loads(client.recv(timeout=30))["event"]["body"].startswith('{"do": "wait"')


def test_a_message_in_frames_arrives_whole(talk: Talk) -> None:
    frames = ["x" * (30 * KB)] * 3 + ["é"]
    with talk.open() as client:
        client.send(frames)
        assert json.loads(client.recv(timeout=30))["event"]["body"] == "".join(frames)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("x" * (32 * KB + 1), 1009),
        (["x" * (30 * KB)] * 5, 1009),
        (b"bytes", 1003),
    ],
    ids=["frame", "message", "binary"],
)
def test_what_api_gateway_does_not_take_ends_the_connection(talk: Talk, message: Any, code: int) -> None:
    with talk.open() as client:
        connection = id_of(client)
        client.send(message)
        assert closed_with(client) == code
    assert talk.disconnect_of(connection)["disconnectStatusCode"] == code
    assert len(talk.events("MESSAGE", connection)) == 1
