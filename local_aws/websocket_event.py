"""The events of API Gateway's WebSocket API: what a function is told of a handshake, a message and an end.

Follows the events that AWS shows; only a handshake's has headers and a query string, and it has each of them twice:
with the last of repeated values, and with all.
"""

import secrets
import time
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import Scope

from local_aws.api_event import HOP_BY_HOP

Event = dict[str, Any]


def connection_context(scope: Scope, stage: str) -> Event:
    """Return what every event of a connection has in its `requestContext`."""
    headers = dict(_headers(scope))
    return {
        "apiId": "local",
        "connectedAt": int(time.time() * 1000),
        "connectionId": f"{secrets.token_urlsafe(11)}=",  # as AWS has it, with a character that URLs encode
        "domainName": headers.get("Host", "localhost").partition(":")[0],
        "identity": {"sourceIp": (scope.get("client") or ("", 0))[0], "userAgent": headers.get("User-Agent", "")},
        "stage": stage,
    }


def connect(scope: Scope, context: Event) -> Event:
    """Return the event of `$connect`."""
    headers = _headers(scope)
    event = _event("$connect", context, "CONNECT")
    event |= {"headers": dict(headers), "multiValueHeaders": _all_values(headers)}
    if query := parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        event |= {"queryStringParameters": dict(query), "multiValueQueryStringParameters": _all_values(query)}
    return event


def message(route: str, context: Event, text: str) -> Event:
    """Return the event of a message that a client sent."""
    return _event(route, context, "MESSAGE", messageId=_new_id()) | {"body": text}


def disconnect(context: Event, code: int) -> Event:
    """Return the event of `$disconnect`; `code` is the one the connection was closed with."""
    return _event("$disconnect", context, "DISCONNECT", disconnectStatusCode=code, disconnectReason="")


def _event(route: str, context: Event, kind: str, **further: Any) -> Event:
    now, request_id = time.time(), _new_id()
    own = {
        "eventType": kind,
        "extendedRequestId": request_id,
        "messageDirection": "IN",
        "requestId": request_id,
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "requestTimeEpoch": int(now * 1000),
        "routeKey": route,
    }
    return {"requestContext": context | own | further, "isBase64Encoded": False}


def _headers(scope: Scope) -> list[tuple[str, str]]:
    """Return the headers, their names as browsers and AWS spell them; the server has made them lower-case."""
    given = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    kept = [(name.title(), value) for name, value in given if name.lower() not in HOP_BY_HOP]
    return [(name.replace("Websocket", "WebSocket"), value) for name, value in kept]


def _all_values(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    return {name: [value for key, value in pairs if key == name] for name, _ in pairs}


def _new_id() -> str:
    return secrets.token_urlsafe(12)
