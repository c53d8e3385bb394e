"""API Gateway's WebSocket API, imitated: connections of clients, their routes, and what functions post to them.

A client connects where the HTTP API answers, at the stage's path. `$connect` decides whether it may; each message goes
to the route that the selection expression finds, else to `$default`, and waits for none before it. Functions post by
`@connections/{id}`, which is a WSGI application behind the workflow engine's door; not before `$connect` has answered,
as on AWS. A connection that does not read what is posted to it is closed.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.types import Receive, Scope, Send

from local_aws import websocket_event
from local_aws.sandboxes import EventTooLarge, Outcome, SandboxesStopped, Throttled
from local_aws.template import WebSocketRoutes
from local_aws.websocket_protocol import MESSAGE_LIMIT

MANAGEMENT_PATH = re.compile("/@connections/(?P<id>.+)")
CONNECTION_SECONDS = 2 * 3600
IDLE_SECONDS = 10 * 60
UNREAD_MESSAGES = 100  # of one connection, that wait here
RUNNING_MESSAGES = 10  # of one connection, whose functions run
CLOSE_SECONDS = 1  # until a client has read what waits for it
STOP_SECONDS = 2

# Close codes (RFC 6455, 7.4.1)
GOING_AWAY = 1001
ABNORMAL = 1006

Invoke = Callable[[str, Any], Outcome]


@dataclass(eq=False)
class Connection:
    """One client, and what waits to be sent to it: texts, at last the code that closes it."""

    context: dict[str, Any]
    ended: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)
    active_at: float = field(default_factory=time.monotonic)
    running: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(RUNNING_MESSAGES))
    _waiting: asyncio.Queue[str | int] = field(default_factory=lambda: asyncio.Queue(UNREAD_MESSAGES))

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.context["connectionId"])

    def post(self, item: str | int) -> None:
        """Send a text when its turn comes; without room for it, the client does not read, and is let go."""
        try:
            self._waiting.put_nowait(item)
        except asyncio.QueueFull:
            self.over.set()

    def end(self, code: int) -> None:
        """Close it after what waits for it, if the client reads that soon."""
        self.ended = True
        self.post(code)
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.over.set)

    async def send_waiting(self, send: Send) -> int:
        """Send what is posted, up to the close. Return its code."""
        while isinstance(item := await self._waiting.get(), str):
            await send({"type": "websocket.send", "text": item})
            self.active_at = time.monotonic()
        await send({"type": "websocket.close", "code": item})
        return item


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
        self._open: dict[str, Connection] = {}
        self._serving: set[asyncio.Task[Any]] = set()
        self._calls: set[asyncio.Task[Any]] = set()
        self._threads = ThreadPoolExecutor(max_workers=256, thread_name_prefix="websockets")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    @property
    def path(self) -> str:
        """Where clients connect."""
        return f"/{self._declared.stage}"

    # For clients

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client from its handshake to its end."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._loop = task.get_loop()
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        await receive()  # websocket.connect
        connection = Connection(websocket_event.connection_context(scope, self._declared.stage))
        if (status := await self._connect(scope, connection)) >= 300:
            await deny(send, status)
            return
        code = ABNORMAL
        self._open[connection.id] = connection
        try:
            await send({"type": "websocket.accept"})
            if self._stopping:
                connection.end(GOING_AWAY)
            code = await self._converse(connection, receive, send)
        except OSError:  # hung up while `$connect` ran
            pass
        finally:
            del self._open[connection.id]
            self._begin(self._call("$disconnect", websocket_event.disconnect(connection.context, code)))

    def stop(self) -> None:
        """Close every connection, and let functions hear of it if they are quick. From a thread of its own."""
        if self._loop is not None and self._loop.is_running():
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()

    async def _stop(self) -> None:
        self._stopping = True
        for connection in self._open.values():
            connection.end(GOING_AWAY)
        for begun in (self._serving, self._calls):
            if begun:
                await asyncio.wait(set(begun), timeout=STOP_SECONDS)
        for call in self._calls:
            call.cancel()

    async def _connect(self, scope: Scope, connection: Connection) -> int:
        """Return the handshake's status."""
        if self._stopping:
            return 503
        if "$connect" not in self._declared.functions:
            return 200
        call = self._begin(self._call("$connect", websocket_event.connect(scope, connection.context)))
        await asyncio.wait({call})
        if call.cancelled() or (outcome := call.result()) is None:
            return 503
        status = outcome.payload.get("statusCode") if isinstance(outcome.payload, dict) else None
        return status if isinstance(status, int) and outcome.error is None else 502

    async def _converse(self, connection: Connection, receive: Receive, send: Send) -> int:
        """Pass on what is said, both ways, until one side ends it. Return the code it was closed with."""
        hearing = asyncio.create_task(self._hear(connection, receive))
        sending = asyncio.create_task(connection.send_waiting(send))
        others = {asyncio.create_task(connection.over.wait()), asyncio.create_task(self._end_in_time(connection))}
        tasks = {hearing, sending, *others}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        ends = [task for task in (hearing, sending) if not task.cancelled()]
        for failed in filter(None, (task.exception() for task in ends)):
            if not isinstance(failed, OSError):
                raise failed
        return next((task.result() for task in ends if task.exception() is None), ABNORMAL)

    async def _hear(self, connection: Connection, receive: Receive) -> int:
        while (message := await receive())["type"] == "websocket.receive":
            connection.active_at = time.monotonic()
            await connection.running.acquire()
            answering = self._begin(self._answer(connection, message["text"]))
            answering.add_done_callback(lambda _: connection.running.release())
        return int(message.get("code") or ABNORMAL)

    async def _answer(self, connection: Connection, text: str) -> None:
        route = self._route_of(text)
        event = websocket_event.message(route, connection.context, text)
        ids = {"connectionId": connection.id, "requestId": event["requestContext"]["requestId"]}
        if route not in self._declared.functions:
            connection.post(json.dumps({"message": "Forbidden", **ids}))
            return
        outcome = await self._call(route, event)
        if outcome is None or outcome.error is not None:
            connection.post(json.dumps({"message": "Internal server error", **ids}))

    async def _end_in_time(self, connection: Connection) -> None:
        end = time.monotonic() + self._connection_seconds
        while (now := time.monotonic()) < (due := min(end, connection.active_at + self._idle_seconds)):
            await asyncio.sleep(due - now)
        connection.end(GOING_AWAY)
        await connection.over.wait()

    def _route_of(self, text: str) -> str:
        """Return the route that `$request.body.NAME` selects; those with a `$` no client selects."""
        try:
            selected = json.loads(text)
        except ValueError:
            return "$default"
        for name in self._declared.selection.removeprefix("$request.body.").split("."):
            selected = selected.get(name) if isinstance(selected, dict) else None
        known = isinstance(selected, str) and not selected.startswith("$") and selected in self._declared.functions
        return selected if known else "$default"

    def _begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a call, which whoever began it need not live to see the end of."""
        call = asyncio.create_task(work)
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return call

    async def _call(self, route: str, event: dict[str, Any]) -> Outcome | None:
        """Invoke the route's function; None where there is none, or it cannot be invoked."""
        if (function := self._declared.functions.get(route)) is None:
            return None
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._invoke, function, event)
        except (EventTooLarge, SandboxesStopped, Throttled):
            return None

    # For functions

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer `PostToConnection`, `GetConnection` and `DeleteConnection`: 410 once the client has gone."""
        found = MANAGEMENT_PATH.fullmatch(environ["PATH_INFO"])
        connection = self._open.get(found["id"]) if found else None
        if connection is None or connection.ended or self._loop is None:
            return _answer(start_response, "410 Gone", error="GoneException")
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        match environ["REQUEST_METHOD"]:
            case "POST" if len(body) > MESSAGE_LIMIT:
                return _answer(start_response, "413 Request Entity Too Large", error="PayloadTooLargeException")
            case "POST":
                self._loop.call_soon_threadsafe(connection.post, body.decode(errors="replace"))
                return _answer(start_response, "200 OK")
            case "DELETE":
                self._loop.call_soon_threadsafe(connection.end, GOING_AWAY)
                return _answer(start_response, "204 No Content")
        return _answer(start_response, "200 OK", _described(connection))


def _described(connection: Connection) -> dict[str, Any]:
    idle_seconds = time.monotonic() - connection.active_at
    return {
        "connectedAt": datetime.fromtimestamp(connection.context["connectedAt"] / 1000, UTC).isoformat(),
        "identity": connection.context["identity"],
        "lastActiveAt": datetime.fromtimestamp(time.time() - idle_seconds, UTC).isoformat(),
    }


async def deny(send: Send, status: int) -> None:
    """Answer the handshake with a status, as API Gateway does."""
    await send({"type": "websocket.http.response.start", "status": status, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b""})


def _answer(start_response: Callable[..., Any], status: str, told: Any = None, *, error: str = "") -> Iterable[bytes]:
    body = b"" if told is None else json.dumps(told).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
    start_response(status, [*headers, *([("x-amzn-errortype", error)] if error else [])])
    return [body]
