"""The HTTP edge: a Powertools resolver that knows Inlet's rules, so that a handler is only its own story.

What it adds to every endpoint: the body limit, strict JSON, `Idempotency-Key`, errors in the family's envelope,
security headers, one log line, and a last resort for what nobody foresaw. `validation=False` keeps pydantic (75 ms of
import) out of functions that only read.
"""

import base64
import json
import time
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from inlet import answers, authentication, idempotency, json_body
from inlet.answers import Family
from inlet.errors import InletError, InvalidRequest, RouteNotFound, UnsupportedType, ValidationFailed
from inlet.logs import logger
from inlet.settings import settings

type Event = dict[str, Any]
type Answer = dict[str, Any]

SESSION_TOKEN: list[dict[str, list[str]]] = [
    {"sessionToken": []}
]  # OpenAPI security requirements, for `security=` of a route
OPTIONAL_SESSION_TOKEN: list[dict[str, list[str]]] = [{}, {"sessionToken": []}]
SIGNED_IN: list[dict[str, list[str]]] = [{"jwt": []}]

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_HEADERS = {
    "cache-control": "no-store",
    "content-type": "application/json",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
}


class Resolver(APIGatewayHttpResolver):
    """One function's endpoint. Refuses to start where a local bypass is set on a deployed stage."""

    def __init__(self, family: Family, *, validation: bool, max_form_bytes: int) -> None:
        settings.refuse_unsafe()
        super().__init__(enable_validation=validation, json_body_deserializer=json_body.loads, serializer=_serialize)
        self.family = family
        self._max_form_bytes = max_form_bytes
        self.exception_handler(Exception)(self._refuse)

    @property
    def event(self) -> Event:
        """The request as API Gateway sent it (payload format 2.0)."""
        return self.current_event.raw_event

    @property
    def body(self) -> bytes:
        """The request's body, as bytes."""
        body: str = self.event.get("body") or ""
        return base64.b64decode(body) if self.event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass")

    def lambda_handler(self, event: Event, context: Any) -> Answer:
        """Answer one request; raises nothing."""
        started = time.perf_counter()
        try:
            self._check_body(event)
            answer = idempotency.replayed(event, lambda: self.resolve(event, context))
        except Exception as error:  # noqa: BLE001 - the last resort before API Gateway's own 500
            refused = self._refuse(error, request_id=context.aws_request_id)
            answer = {"statusCode": refused.status_code, "body": refused.body, "headers": refused.headers}
        answer["headers"] = _HEADERS | {k.lower(): v for k, v in (answer.get("headers") or {}).items()}
        answer.pop("multiValueHeaders", None)
        logger.info(
            "request",
            extra={
                "route": event.get("routeKey"),
                "status": answer["statusCode"],
                "milliseconds": round((time.perf_counter() - started) * 1000, 1),
                "request_id": context.aws_request_id,
            },
        )
        return answer

    def _check_body(self, event: Event) -> None:
        """Size, and kind: Powertools fills a model from a form too, past everything strict JSON refuses."""
        kind, *parameters = event["headers"].get("content-type", "").split(";", 1)
        kind = kind.strip().lower()
        if kind:  # the type means the same in capitals, but not to Powertools; a form's boundary stays as it is
            event["headers"]["content-type"] = ";".join([kind, *parameters])
        is_form = bool(event.get("body")) and kind.startswith(_FORMS)
        if is_form and not self._max_form_bytes:
            raise UnsupportedType("The request body must be JSON.")
        json_body.check_size(_body_size(event), self._max_form_bytes if is_form else json_body.MAX_BYTES)

    def _refuse(self, error: Exception, request_id: str | None = None) -> Response[str]:
        error = _ours(error)
        status, code = answers.status_and_code(type(error))
        message, details, headers = answers.UNEXPECTED_MESSAGE, {}, {}
        if status == answers.UNEXPECTED[0]:
            request_id = request_id or self.lambda_context.aws_request_id
            _log_failure(error, request_id)
            details = {"requestId": request_id}
        if isinstance(error, InletError) and code != answers.UNEXPECTED[1]:
            message, details = str(error), details | error.details
            if error.retry_after_seconds is not None:
                headers["retry-after"] = str(error.retry_after_seconds)
        body = answers.error_body(self.family, code, message, details)
        return Response(status, "application/json", _serialize(body), headers)


def resolver(family: Family, *, validation: bool = True, max_form_bytes: int = 0) -> Resolver:
    """The resolver of one function, to register its route on. It takes forms only within a limit of their own."""
    return Resolver(family, validation=validation, max_form_bytes=max_form_bytes)


def session_token(app: Resolver) -> str:
    """The caller's `X-Session-Token`; raises `Unauthorized` when there is none."""
    return authentication.require_session_token(app.event)


def _ours(error: Exception) -> Exception:
    """Powertools' own refusals as ours; everything else as it is."""
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


def _log_failure(error: Exception, request_id: str) -> None:
    if isinstance(error, InletError):  # expected to happen; its cause says more than a traceback
        extra = {"error": type(error).__name__, "cause": str(error.__cause__ or error), "request_id": request_id}
        logger.error("failed", extra=extra)
    else:
        logger.exception("failed", exc_info=error, extra={"request_id": request_id})


def _body_size(event: Event) -> int:
    body = event.get("body") or ""
    return len(base64.b64decode(body)) if event.get("isBase64Encoded") else len(body.encode("utf-8", "surrogatepass"))


def _serialize(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
