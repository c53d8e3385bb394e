"""API Gateway's WebSocket API, imitated: connections of clients, events for functions, and what is posted to them.

A client connects where the HTTP API answers, at the stage's path. `$connect` decides whether it may; each message goes
to the route that the selection expression finds, else to `$default`. Functions post by `@connections/{id}`, which is a
WSGI application behind the workflow engine's door. A connection that does not read what is posted to it is closed.
"""

import asyncio
import json
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.types import Message, Receive, Scope, Send

from local_aws.sandboxes import EventTooLarge, Outcome, SandboxesStopped, Throttled
from local_aws.template import WebSocketRoutes

MANAGEMENT_PATH = re.compile("/@connections/(?P<id>.+)")
MESSAGE_LIMIT = 128 * 1024  # bytes
CONNECTION_SECONDS = 2 * 3600
IDLE_SECONDS = 10 * 60
UNREAD_MESSAGES = 100

# Close codes (RFC 6455, 7.4.1)
GOING_AWAY = 1001
POLICY_VIOLATION = 1008
TOO_BIG = 1009

Invoke = Callable[[str, Any], Outcome]


@dataclass(eq=False)
class Connection:
    """One client: what waits to be sent to it. An item is a text, or the close code that ends it."""

    context: dict[str, Any]
    waiting: asyncio.Queue[str | int] = field(default_factory=lambda: asyncio.Queue(UNREAD_MESSAGES))
    active_at: float = field(default_factory=time.monotonic)

    def put(self, item: str | int) -> bool:
        """Return whether there was room for it."""
        try:
            self.waiting.put_nowait(item)
        except asyncio.QueueFull:
            return False
        return True


class WebSocketApi:
    """The connections of one stack."""

    def __init__(
        self,
        declared: WebSocketRoutes,
        invoke: Invoke,
        *,
        connection_seconds: float = CONNECTION_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._declared = declared
        self._invoke = invoke
        self._connection_seconds = connection_seconds
        self._idle_seconds = idle_seconds
        self._connections: dict[str, Connection] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def path(self) -> str:
        """Where clients connect."""
        return f"/{self._declared.stage}"

    # For clients

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client from its handshake to its end."""
        self._loop = asyncio.get_running_loop()
        await receive()  # websocket.connect
        connection = Connection(_context(scope, self._declared.stage))
        connection_id = connection.context["connectionId"]
        self._connections[connection_id] = connection  # may be posted to from its $connect on
        try:
            status = await self._connect(scope, connection)
            if status >= 300:
                await deny(send, status)
                return
            await send({"type": "websocket.accept"})
            await self._converse(connection, receive, send)
        finally:
            del self._connections[connection_id]
        await self._call("$disconnect", connection, {"eventType": "DISCONNECT"})

    async def _connect(self, scope: Scope, connection: Connection) -> int:
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        headers = {name.decode("latin-1").title(): value.decode("latin-1") for name, value in scope["headers"]}
        event = {"headers": headers, "queryStringParameters": query or None}
        outcome = await self._call("$connect", connection, {"eventType": "CONNECT"}, event)
        if outcome is None or outcome.error is not None or not isinstance(outcome.payload, dict):
            return 500
        return int(outcome.payload.get("statusCode", 500))

    async def _converse(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Pass on what is said, both ways, until one side ends it."""
        sending = asyncio.create_task(self._send_waiting(connection, send))
        ending = asyncio.create_task(self._end_in_time(connection))
        try:
            while (message := await receive())["type"] == "websocket.receive":
                connection.active_at = time.monotonic()
                await self._hear(connection, message)
        finally:
            sending.cancel()
            ending.cancel()

    async def _hear(self, connection: Connection, message: Message) -> None:
        text = message.get("text")
        if text is None or len(text.encode()) > MESSAGE_LIMIT:
            connection.put(POLICY_VIOLATION if text is None else TOO_BIG)
            return
        outcome = await self._call(self._route_of(text), connection, {"eventType": "MESSAGE"}, {"body": text})
        if outcome is None or outcome.error is not None:
            said = {"message": "Internal server error", "connectionId": connection.context["connectionId"]}
            connection.put(json.dumps(said))

    async def _send_waiting(self, connection: Connection, send: Send) -> None:
        while isinstance(item := await connection.waiting.get(), str):
            await send({"type": "websocket.send", "text": item})
            connection.active_at = time.monotonic()
        await send({"type": "websocket.close", "code": item})

    async def _end_in_time(self, connection: Connection) -> None:
        end = time.monotonic() + self._connection_seconds
        while (now := time.monotonic()) < min(end, connection.active_at + self._idle_seconds):
            await asyncio.sleep(min(end, connection.active_at + self._idle_seconds) - now)
        connection.put(GOING_AWAY)

    def _route_of(self, text: str) -> str:
        """Return the route that `$request.body.NAME` selects."""
        name = self._declared.selection.removeprefix("$request.body.")
        try:
            said = json.loads(text)
        except ValueError:
            said = None
        selected = said.get(name) if isinstance(said, dict) else None
        return selected if isinstance(selected, str) and selected in self._declared.functions else "$default"

    async def _call(
        self, route: str, connection: Connection, about: dict[str, Any], event: dict[str, Any] | None = None
    ) -> Outcome | None:
        """Invoke the route's function; None where it cannot be, or where there is none."""
        function = self._declared.functions.get(route)
        if function is None:
            return None
        now = {"routeKey": route, "requestId": secrets.token_urlsafe(12), "requestTimeEpoch": int(time.time() * 1000)}
        whole = {"requestContext": connection.context | now | about, "isBase64Encoded": False} | (event or {})
        try:
            return await asyncio.to_thread(self._invoke, function, whole)
        except (EventTooLarge, SandboxesStopped, Throttled):
            return None

    # For functions

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer `PostToConnection`, `GetConnection` and `DeleteConnection`: 410 once the client has gone."""
        found = MANAGEMENT_PATH.fullmatch(environ["PATH_INFO"])
        connection = self._connections.get(unquote(found["id"])) if found else None
        if connection is None or self._loop is None:
            return _answer(start_response, "410 Gone", "GoneException")
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        match environ["REQUEST_METHOD"]:
            case "POST" if len(body) > MESSAGE_LIMIT:
                return _answer(start_response, "413 Request Entity Too Large", "PayloadTooLargeException")
            case "POST":
                self._loop.call_soon_threadsafe(self._post, connection, body.decode(errors="replace"))
            case "DELETE":
                self._loop.call_soon_threadsafe(connection.put, GOING_AWAY)
                return _answer(start_response, "204 No Content")
        return _answer(start_response, "200 OK")

    def _post(self, connection: Connection, text: str) -> None:
        if not connection.put(text):  # it does not read: what waits for it is dropped, and the connection with it
            while not connection.waiting.empty():
                connection.waiting.get_nowait()
            connection.put(GOING_AWAY)


def _context(scope: Scope, stage: str) -> dict[str, Any]:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    client = scope.get("client") or ("", 0)
    return {
        "apiId": "local",
        "connectedAt": int(time.time() * 1000),
        "connectionId": secrets.token_urlsafe(12) + "=",
        "domainName": headers.get("host", "localhost"),
        "identity": {"sourceIp": client[0], "userAgent": headers.get("user-agent", "")},
        "stage": stage,
    }


async def deny(send: Send, status: int) -> None:
    """Answer the handshake with a status, as API Gateway does."""
    await send({"type": "websocket.http.response.start", "status": status, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b""})


def _answer(start_response: Callable[..., Any], status: str, error: str = "") -> Iterable[bytes]:
    own = [("Content-Type", "application/json"), ("Content-Length", "0"), ("Connection", "close")]
    start_response(status, [*own, *([("x-amzn-errortype", error)] if error else [])])
    return [b""]
