"""API Gateway's HTTP API payload format 2.0, both ways: request → event, function's answer → response.

Follows AWS's documentation; where that is silent, what has been measured on AWS: `rawPath` and path parameters come
decoded, `rawPath` ends at a decoded `?`, the Cookie header moves to `cookies`, and only `text/*` and three application
types come as text (a form or a body without a type comes base64-encoded).
"""

import base64
import binascii
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from local_aws.cloudformation import ACCOUNT
from local_aws.template import Route

TEXT_TYPES = {"application/json", "application/javascript", "application/xml"}
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
EMPTY_BODY_STATUSES = {204, 304}


class MalformedAnswer(Exception):
    """The function's answer is no HTTP response; API Gateway says 500 to the client."""


@dataclass(frozen=True)
class HttpRequest:
    """A request as it arrived: `raw_path` still encoded, header names in lower case, in order, repeated ones apart."""

    method: str
    raw_path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes
    client_address: str
    protocol: str = "HTTP/1.1"

    def header(self, name: str) -> str | None:
        """Return a header's value; repeated ones are joined as API Gateway does."""
        values = [value for key, value in self.headers if key == name]
        return ",".join(values) if values else None


@dataclass(frozen=True)
class HttpResponse:
    """A response to send."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)


def build_event(
    request: HttpRequest,
    route: Route,
    path_parameters: dict[str, str],
    claims: dict[str, Any] | None,
    stage_variables: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return the event of a request that matched `route`; `claims` are a verified token's, or None."""
    now = time.time()
    path = unquote(request.raw_path).partition("?")[0]
    domain = (request.header("host") or "localhost").partition(":")[0]
    context: dict[str, Any] = {
        "accountId": ACCOUNT,
        "apiId": "local",
        "domainName": domain,
        "domainPrefix": domain.partition(".")[0],
        "http": {
            "method": request.method,
            "path": path,
            "protocol": request.protocol,
            "sourceIp": request.client_address,
            "userAgent": request.header("user-agent") or "",
        },
        "requestId": secrets.token_urlsafe(12),
        "routeKey": route.key,
        "stage": "$default",
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "timeEpoch": int(now * 1000),
    }
    if claims is not None:
        rendered = {name: _render_claim(value) for name, value in claims.items()}
        context["authorizer"] = {"jwt": {"claims": rendered, "scopes": None}}
    event = {
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": _headers(request),
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if cookies := request.header("cookie"):
        event["cookies"] = [cookie.strip() for cookie in cookies.replace(",", ";").split(";") if cookie.strip()]
    if query := _joined(parse_qsl(request.query, keep_blank_values=True)):
        event["queryStringParameters"] = query
    if path_parameters:
        event["pathParameters"] = {name: unquote(value) for name, value in path_parameters.items()}
    if stage_variables:
        event["stageVariables"] = stage_variables
    if request.body:
        is_text = _is_text(request.header("content-type"))
        event["body"] = request.body.decode(errors="replace") if is_text else base64.b64encode(request.body).decode()
        event["isBase64Encoded"] = not is_text
    return event


def read_answer(answer: Any) -> HttpResponse:
    """Return the response a function's answer means. Without a `statusCode` the whole answer is a 200's JSON body."""
    if not (isinstance(answer, dict) and "statusCode" in answer):
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return HttpResponse(200, text.encode(), [("content-type", "application/json")])
    try:
        status = int(answer["statusCode"])
        body = _answered_body(answer)
        headers = [(str(name).lower(), _as_text(value)) for name, value in (answer.get("headers") or {}).items()]
        cookies = [("set-cookie", str(cookie)) for cookie in answer.get("cookies") or []]
    except (TypeError, ValueError, AttributeError) as error:
        raise MalformedAnswer(str(error)) from error
    if not 100 <= status <= 599:
        raise MalformedAnswer(f"status {status}")
    if status in EMPTY_BODY_STATUSES:
        body = b""
    elif "content-type" not in dict(headers):
        headers.append(("content-type", "text/plain;charset=UTF-8"))
    kept = [(name, value) for name, value in headers if name not in HOP_BY_HOP | {"content-length"}]
    return HttpResponse(status, body, kept + cookies)


def message(status: int, text: str, **more: str) -> HttpResponse:
    """Return an answer of API Gateway's own."""
    body = json.dumps({"message": text, **more}).encode()
    return HttpResponse(status, body, [("content-type", "application/json")])


def _headers(request: HttpRequest) -> dict[str, str]:
    """Return what the client sent, one value a name, and what the gateway adds."""
    received = [(name, value) for name, value in request.headers if name not in HOP_BY_HOP | {"cookie"}]
    joined = _joined(received)
    forwarded = joined.get("x-forwarded-for")
    return joined | {
        "content-length": str(len(request.body)),
        "x-amzn-trace-id": f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}",
        "x-forwarded-for": f"{forwarded}, {request.client_address}" if forwarded else request.client_address,
        "x-forwarded-port": (request.header("host") or "").partition(":")[2] or "80",
        "x-forwarded-proto": "http",
    }


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _is_text(content_type: str | None) -> bool:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    return media_type.startswith("text/") or media_type in TEXT_TYPES


def _render_claim(value: Any) -> str:
    """Write a claim as AWS puts it into the event: everything a string, a list as `[a b]`."""
    if isinstance(value, list):
        return "[" + " ".join(map(_render_claim, value)) + "]"
    if isinstance(value, str):
        return value
    return json.dumps(value)


def _answered_body(answer: dict[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise TypeError("the body is no string")
    if not answer.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise ValueError("the body is no base64") from error


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
