"""The HTTP edge: a resolver that knows Inlet's rules, so that a handler tells only its own story.

The edge adds to every endpoint: the body limit, strict JSON, `Idempotency-Key`, errors in the family's envelope,
security headers, one log line, and a last resort for unforeseen errors. It documents the refusals that follow from a
route's method, security and body; a route names only the others (`raises=`). `validation=False` keeps pydantic (75 ms
of import) out of functions that only read.
"""

import inspect
import json
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from inlet import answers, headers, idempotency, logs, request_body, snapshots
from inlet.answers import Family
from inlet.errors import (
    DependencyUnavailable,
    IdempotencyInProgress,
    IdempotencyMismatch,
    InletError,
    InvalidRequest,
    RouteNotFound,
    Unauthorized,
    UnsupportedType,
    ValidationFailed,
)
from inlet.logs import logger
from inlet.settings import settings

type Event = dict[str, Any]
type Answer = dict[str, Any]
type Security = list[dict[str, list[str]]]
type Handler = Callable[..., Any]
type Guard = Callable[..., object]

# Security of a route, as OpenAPI writes it.
ANYBODY: Security = []
JOB_TOKEN: Security = [{"jobToken": []}]
OPTIONAL_JOB_TOKEN: Security = [{}, {"jobToken": []}]
SIGNED_IN: Security = [{"jwt": []}]

# The SDK spreads its retries by it: copies of one snapshot must not all come back at the same moment.
snapshots.after_restore(random.seed)

_FORM = "multipart/form-data"
_HEADERS = {
    "cache-control": "no-store",
    "content-type": "application/json",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
}
# What the log calls the ids that stand in paths. Whatever else does may be a token.
_LOGGED = {
    "upload_id": "upload_id",
    "job_id": "upload_id",
    "result_id": "result_id",
    "session_id": "session_id",
    "id": "session_id",
    "file_id": "file_id",
}
_ID = re.compile("[A-Za-z0-9-]{1,40}")  # every id of ours is one; no token is


def let_pass(_event: Event, **_arguments: str) -> None:
    """Refuse nothing: the guard of a route without one."""


@dataclass(frozen=True, slots=True)
class Route:
    """A registered endpoint. `raises` are the errors it names; `implied` follow from its method, security and body."""

    method: str
    path: str
    handler: Handler
    raises: Sequence[type[InletError]]
    implied: Sequence[type[InletError]]
    guard: Guard

    def arguments(self, event: Event) -> dict[str, str] | None:
        """Return what an event's path says of this route's parameters, or None where it is another route's event."""
        request = event["requestContext"]["http"]
        pattern = re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", self.path)
        found = re.fullmatch(pattern, request["path"]) if request["method"] == self.method else None
        return found.groupdict() if found else None


class Resolver:
    """The endpoint of one function, or the few of one protocol. Takes forms only up to `max_form_bytes`.

    `publish` tells those who watch what the function has changed; it is called after each answer. Refuses to start
    where a local bypass is set on a deployed stage.
    """

    def __init__(
        self,
        family: Family,
        *,
        validation: bool = True,
        max_form_bytes: int = 0,
        publish: Callable[[], None] = lambda: None,
    ) -> None:
        settings.refuse_unsafe()
        self.family = family
        self.routes: list[Route] = []
        self.powertools = APIGatewayHttpResolver(
            enable_validation=validation, json_body_deserializer=request_body.loads, serializer=_serialize
        )
        self.powertools.exception_handler(Exception)(self._refuse)
        self._validates = validation
        self._max_form_bytes = max_form_bytes
        self._publish = publish

    def get(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Register a GET; the options are those of `route`."""
        return self.route("GET", path, **options)

    def post(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Register a POST; the options are those of `route`."""
        return self.route("POST", path, **options)

    def delete(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Register a DELETE; the options are those of `route`."""
        return self.route("DELETE", path, **options)

    def route(
        self,
        method: str,
        path: str,
        *,
        raises: Sequence[type[InletError]] = (),
        security: Security = ANYBODY,
        status: int = 200,
        replies: dict[int, Any] | None = None,
        guard: Guard = let_pass,
        openapi: dict[str, Any] | None = None,
    ) -> Callable[[Handler], Handler]:
        """Register a handler and document its answers.

        `status` is the success's; its body is what the handler is annotated to return. `replies` says both where there
        are several (None: no body). `openapi` adds to the operation what no annotation tells. `guard` is
        called with the event and the path's parameters before an Idempotency-Key is claimed. It writes nothing, and
        raises what a limit or a missing right refuses.
        """

        def register(handler: Handler) -> Handler:
            implied = self._implied_refusals(method, path, security, handler)
            self.routes.append(Route(method, path, handler, raises, implied, guard))
            self.powertools.route(
                path,
                method,
                security=security or None,
                status_code=status,
                responses=answers.documented(
                    self.family, {status: _reply(handler)} if replies is None else replies, *implied, *raises
                ),
                openapi_extensions=openapi,
            )(handler)
            return handler

        return register

    def _implied_refusals(self, method: str, path: str, security: Security, handler: Handler) -> list[type[InletError]]:
        implied: list[type[InletError]] = []
        if security:
            implied.append(Unauthorized)
        texts_in_path = {name for name, kind in _parameters(handler).items() if f"<{name}>" in path and kind is str}
        if self._validates and _parameters(handler).keys() - texts_in_path:
            implied.append(ValidationFailed)
        if method == "POST":
            implied += [IdempotencyMismatch, IdempotencyInProgress]
        return implied

    @property
    def event(self) -> Event:
        """The request as API Gateway sent it (payload format 2.0)."""
        return self.powertools.current_event.raw_event

    @property
    def context(self) -> Any:
        """The invocation's Lambda context."""
        return self.powertools.lambda_context

    @property
    def body(self) -> bytes:
        """The request's body."""
        return request_body.content(self.event)

    def state(
        self, state: Mapping[str, Any], *, changed: bool = False, retry_after_seconds: int | None = None
    ) -> Response[str]:
        """Return the answer that tells a state, with its revision as the ETag.

        Whoever names that revision in `If-None-Match` is answered 304, unless the state has `changed` without it.
        """
        etag = f'"{state["revision"]}"'
        sent = {"etag": etag}
        if retry_after_seconds is not None:
            sent["retry-after"] = str(retry_after_seconds)
        if not changed and headers.matches_etag(self.event["headers"].get("if-none-match"), etag):
            return Response(304, headers=sent)
        return Response(200, "application/json", _serialize(state), sent)

    def lambda_handler(self, event: Event, context: Any) -> Answer:
        """Answer one request. Raises nothing."""
        started = time.perf_counter()
        # The caller knows the first from a 5xx, the second from the header apigw-requestid of every answer.
        logs.begin(
            request_id=context.aws_request_id, gateway_request_id=event.get("requestContext", {}).get("requestId")
        )
        try:
            logs.about(**self._named_ids(event))
            self._check_body(event)
            answer = idempotency.replayed(
                event, lambda: self.powertools.resolve(event, context), lambda: self._guard(event)
            )
        except Exception as error:  # noqa: BLE001 - the last resort before API Gateway's own 500
            refused = self._refuse(error, request_id=context.aws_request_id)
            answer = {"statusCode": refused.status_code, "body": refused.body, "headers": refused.headers}
        answer["headers"] = _HEADERS | {k.lower(): v for k, v in (answer.get("headers") or {}).items()}
        answer.pop("multiValueHeaders", None)
        self._publish()
        logger.info(
            "request",
            extra={
                "route": event.get("routeKey"),
                "status": answer["statusCode"],
                "milliseconds": round((time.perf_counter() - started) * 1000, 1),
            },
        )
        return answer

    def _check_body(self, event: Event) -> None:
        """Hold a body to its size, and to JSON, or to a form where one is expected.

        Powertools would fill a model from a form too, past everything that strict JSON refuses. A body without a type
        is refused as well: a page of another origin may send one without asking.
        """
        declared = event["headers"].get("content-type", "")
        kind = headers.media_type(declared)
        if kind:  # a type means the same in capitals, but not to Powertools; a form's boundary stays as it is
            event["headers"]["content-type"] = kind + declared[len(declared.partition(";")[0]) :]
        is_form = kind == _FORM and self._max_form_bytes > 0
        request_body.check_size(
            len(request_body.content(event)), self._max_form_bytes if is_form else request_body.MAX_BYTES
        )
        if event.get("body") and kind != "application/json" and not is_form:
            raise UnsupportedType("The request body must be JSON, sent as application/json.")

    def _guard(self, event: Event) -> None:
        """Ask the guard of the event's route."""
        for route in self.routes:
            if (arguments := route.arguments(event)) is not None:
                route.guard(event, **arguments)

    def _named_ids(self, event: Event) -> dict[str, str]:
        """Return the ids in an event's path by what logs call them, but for what cannot be one, or is a token."""
        for route in self.routes:
            if (arguments := route.arguments(event)) is not None:
                named = {_LOGGED[name]: value for name, value in arguments.items() if name in _LOGGED}
                return {name: value for name, value in named.items() if _ID.fullmatch(value)}
        return {}

    def _refuse(self, error: Exception, request_id: str | None = None) -> Response[str]:
        error = _translated(error)
        status, code = answers.status_and_code(type(error))
        message, details, sent = answers.UNEXPECTED_MESSAGE, {}, {}
        if status >= answers.UNEXPECTED[0]:
            request_id = request_id or self.powertools.lambda_context.aws_request_id
            _log_failure(error)
            details = {"requestId": request_id}
        if isinstance(error, InletError) and code != answers.UNEXPECTED[1]:
            # What a dependency said of itself is for the log.
            message = error.message if isinstance(error, DependencyUnavailable) else str(error)
            details |= error.details
            if error.retry_after_seconds is not None:
                sent["retry-after"] = str(error.retry_after_seconds)
        body = answers.error_body(self.family, code, message, details)
        return Response(status, "application/json", _serialize(body), sent)


def _parameters(handler: Handler) -> dict[str, Any]:
    return {name: parameter.annotation for name, parameter in inspect.signature(handler).parameters.items()}


def _reply(handler: Handler) -> Any:
    """Return the model a handler is annotated to return; of a reply with its status, the reply."""
    annotation = inspect.signature(handler).return_annotation
    return get_args(annotation)[0] if get_origin(annotation) is tuple else annotation


def _translated(error: Exception) -> Exception:
    """Turn Powertools' own refusals into Inlet's; return any other error as it is."""
    if isinstance(error, NotFoundError):
        return RouteNotFound()
    if isinstance(error, UnicodeDecodeError):
        return InvalidRequest("The request body is not UTF-8.")
    # Looked up by name: importing these classes would import pydantic into functions that do without it.
    if type(error).__name__ == "RequestUnsupportedContentType":
        return UnsupportedType("The request body must be JSON.")
    if type(error).__name__ == "RequestValidationError":
        fields = [
            {"field": ".".join(str(part) for part in problem["loc"][1:]) or "body", "message": problem["msg"]}
            for problem in error.errors()  # type: ignore[attr-defined]
        ]
        return ValidationFailed(fields=fields)
    return error


def _log_failure(error: Exception) -> None:
    if isinstance(error, InletError):  # expected to happen; its cause says more than a traceback
        extra = {"error": type(error).__name__, "cause": str(error.__cause__ or error)}
        logger.error("failed", extra=extra)
    else:
        logger.exception("failed", exc_info=error)


def _serialize(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
