"""API Gateway, imitated: an HTTP server that turns requests into events and functions' answers into responses."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from local_aws import numbers, websocket_protocol
from local_aws.api_event import HttpRequest, HttpResponse, MalformedAnswer, build_event, message, read_answer
from local_aws.callers import Callers
from local_aws.children import PartFailed
from local_aws.cors import Cors
from local_aws.jwt_authorizer import InsufficientScope, JwtAuthorizer, Unauthorized
from local_aws.numbers import Numbers
from local_aws.ports import HOST
from local_aws.routing import RouteTable
from local_aws.sandboxes import EventTooLarge, Outcome, SandboxesStopped, Throttled
from local_aws.template import Route, Template
from local_aws.websocket_api import WebSocketApi, deny

BODY_LIMIT = 10 * 1024 * 1024  # bytes of a request
INTEGRATION_SECONDS = 30  # the longest API Gateway waits for a function
DISCARD_LIMIT = 64 * 1024 * 1024  # of a refused body; a client that still sends would not read its answer

Invoke = Callable[[str, Any], Outcome]


class PortInUse(PartFailed):
    """Another program has the port."""


class Api:
    """The ASGI application: routes, authorizers and CORS as the template declares them.

    It is reached at `port`, by the names of this machine and those of `allowed_hosts`.
    """

    def __init__(
        self,
        template: Template,
        invoke: Invoke,
        *,
        port: int,
        allowed_hosts: Iterable[str] = (),
        auth_bypass: bool,
        report: Callable[[HttpRequest, int, float], None] = lambda *_: None,
        integration_seconds: float = INTEGRATION_SECONDS,
        own_words: Mapping[int | str, Mapping[str, str]] | None = None,
        websockets: WebSocketApi | None = None,
        measured: Numbers | None = None,
    ) -> None:
        self._numbers = measured
        self._websockets = websockets
        self._routes = RouteTable(template.routes)
        self._authorizers = {name: JwtAuthorizer(declared) for name, declared in template.authorizers.items()}
        self._stage_variables = template.stage_variables
        self._cors = Cors(template.cors) if template.cors else None
        origins = (template.cors or {}).get("AllowOrigins", [])
        self._callers = Callers(port, allowed_hosts, origins, own_pages_only=auth_bypass)
        self._invoke = invoke
        self._auth_bypass = auth_bypass
        self._report = report
        self._integration_seconds = integration_seconds
        self._own_words = own_words or {}
        self._threads = ThreadPoolExecutor(max_workers=256, thread_name_prefix="gateway")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or serve one WebSocket."""
        if scope["type"] == "websocket":
            await self._serve_websocket(scope, receive, send)
            return
        begun = time.monotonic()
        incoming = Request(scope, receive)
        request = _as_received(scope)
        try:
            response = await self._answer(request, incoming)
        except ClientDisconnect:
            return
        outgoing = Response(response.body, response.status)
        outgoing.raw_headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        await outgoing(scope, receive, send)
        self._report(request, response.status, time.monotonic() - begun)

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        opening = _as_received({**scope, "method": "GET", "http_version": "1.1"})
        if self._websockets is None or opening.raw_path != self._websockets.path:
            await deny(send, 403)  # API Gateway's word for a stage that is not there
        elif refused := self._callers.refusal(opening):
            await deny(send, refused[0])
        else:
            await self._websockets.serve(scope, receive, send)

    async def _answer(self, request: HttpRequest, incoming: Request) -> HttpResponse:
        if refused := self._callers.refusal(request):
            return self._refusal(*refused)
        if self._numbers is not None and (request.method, request.raw_path) == ("GET", numbers.PATH):
            page: HttpResponse = await self._in_thread(self._numbers.answer)
            return page  # no header lets a page of another origin read it
        if self._cors is None:
            return await self._answer_route(request, incoming)
        if preflight := self._cors.answer_preflight(request):
            return preflight
        return self._cors.add(request, await self._answer_route(request, incoming))

    async def _answer_route(self, request: HttpRequest, incoming: Request) -> HttpResponse:
        if (matched := self._routes.match(request.method, request.raw_path)) is None:
            return self._refusal(404, "Not Found")
        route, path_parameters = matched
        try:
            claims = await self._in_thread(self._authorize, route, request.header("authorization"))
        except Unauthorized:
            refusal = self._refusal(401, "Unauthorized")
            return replace(refusal, headers=[*refusal.headers, ("www-authenticate", "Bearer")])
        except InsufficientScope as missing:
            refusal = message(403, "Forbidden", **self._own_words.get("insufficient_scope", {}))
            scope = " ".join(missing.required)
            challenge = f'Bearer scope="{scope}" error="insufficient_scope" error_description="{missing}"'
            return replace(refusal, headers=[*refusal.headers, ("www-authenticate", challenge)])
        if (body := await _read_body(incoming)) is None:
            return self._refusal(413, "Request Entity Too Large")
        event = build_event(_with_body(request, body), route, path_parameters, claims, self._stage_variables)
        return await self._integrate(route.function, event)

    def _authorize(self, route: Route, authorization: str | None) -> dict[str, Any] | None:
        """Return verified claims, or None where none are needed. The bypass forgives a missing token, no bad one."""
        if route.authorizer is None:
            return None
        authorizer = self._authorizers[route.authorizer]
        if self._auth_bypass and (authorization is None or not authorizer.configured):
            return None
        return authorizer.verify(authorization)

    async def _integrate(self, function: str, event: dict[str, Any]) -> HttpResponse:
        running = self._in_thread(self._invoke, function, event)
        try:
            # The function itself runs on: API Gateway stops waiting, Lambda does not stop working.
            outcome = await asyncio.wait_for(asyncio.shield(running), self._integration_seconds)
            if outcome.error is None:
                return read_answer(outcome.payload)
        except (TimeoutError, SandboxesStopped, Throttled):
            return self._refusal(503, "Service Unavailable")
        except EventTooLarge:
            return self._refusal(413, "Request Entity Too Large")
        except MalformedAnswer:
            pass
        return self._refusal(500, "Internal Server Error")

    def _refusal(self, status: int, text: str) -> HttpResponse:
        """Return an answer that comes from no function: AWS's word is `message`, the project may add its own."""
        return message(status, text, **self._own_words.get(status, {}))

    def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


class Gateway:
    """The server around an application, on a port taken at once but not listened on before `start`."""

    def __init__(self, port: int, part: str = "API gateway") -> None:
        self.part = part
        # asyncio sends small answers at once (TCP_NODELAY) where the socket says that it is TCP. Otherwise each answer
        # on a kept connection waits 40 ms for the client's system to acknowledge its first half.
        self._socket = socket.socket(proto=socket.IPPROTO_TCP)
        if port:  # again at once after a stop; a port the system chose must not be shared with whoever asks next
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((HOST, port))
        except OSError as error:
            self._socket.close()
            raise PortInUse(self.part, f"port {port} is in use ({error.strerror}).") from error
        self._port: int = self._socket.getsockname()[1]
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port, also where the system chose it."""
        return self._port

    @property
    def url(self) -> str:
        """Where clients reach the API."""
        return f"http://{HOST}:{self._port}"

    def start(self, api: ASGIApp) -> None:
        """Listen, and answer in a thread."""
        config = uvicorn.Config(
            api,
            access_log=False,
            lifespan="off",
            log_config=None,
            proxy_headers=False,  # uvicorn believes X-Forwarded-For from this machine; limits count true addresses
            server_header=False,
            timeout_graceful_shutdown=10,
            timeout_keep_alive=65,
            log_level="warning",  # below, it logs the query strings of handshakes
            **websocket_protocol.SETTINGS,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name=self.part, daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise PartFailed(self.part, "ended while starting.")
            time.sleep(0.005)

    def check(self) -> None:
        """Raise `PartFailed` when the server has ended by itself."""
        if self._thread is not None and not self._thread.is_alive():
            raise PartFailed(self.part, "ended by itself.")

    def stop(self) -> None:
        """Stop listening, finish what was begun."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()


def _as_received(scope: Scope) -> HttpRequest:
    client = scope.get("client") or ("", 0)
    return HttpRequest(
        method=scope["method"],
        raw_path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=[(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]],
        body=b"",
        client_address=client[0],
        protocol=f"HTTP/{scope['http_version']}",
    )


def _with_body(request: HttpRequest, body: bytes) -> HttpRequest:
    return replace(request, body=body)


async def _read_body(incoming: Request) -> bytes | None:
    """Return the whole body, or None past the limit: never more than the limit is kept."""
    declared = incoming.headers.get("content-length", "0")
    if int(declared) > BODY_LIMIT and incoming.headers.get("expect"):
        return None  # the client waits for a word before it sends
    body = bytearray()
    received = 0
    async for chunk in incoming.stream():
        received += len(chunk)
        if received > DISCARD_LIMIT:
            return None
        if received <= BODY_LIMIT:
            body += chunk
    return bytes(body) if received <= BODY_LIMIT else None
