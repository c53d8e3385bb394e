"""Events and contexts as Lambda gives them to a function, for tests that call one without the gateway."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from local_aws.api_event import HttpRequest, build_event
from local_aws.template import Route

CLIENT = "203.0.113.7"
# Whom the local stage takes a request without a token for.
DEV_USER = "dev-user-00000000-0000-0000-0000-000000000001"


class Context:
    """As much of the Lambda context as functions use."""

    def __init__(self) -> None:
        self.aws_request_id = str(uuid.uuid4())
        self.function_name = "test"
        self.memory_limit_in_mb = "512"
        self.invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:test"

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


def api_event(
    method: str,
    path: str,
    *,
    json_body: Any = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    client: str = CLIENT,
    claims: dict[str, Any] | None = None,
    path_parameters: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The event of a request, made by the local gateway's own code."""
    sent = {"host": "localhost"} | {name.lower(): value for name, value in (headers or {}).items()}
    if json_body is not None:
        body = json.dumps(json_body).encode()
        sent.setdefault("content-type", "application/json")
    request = HttpRequest(method, path, "", list(sent.items()), body or b"", client)
    return build_event(request, Route(method, path, "TestFunction", None), path_parameters or {}, claims)


def create(email: str = "somebody@example.com", media_type: str = "image/png", **fields: Any) -> dict[str, Any]:
    """POST /api/upload."""
    return api_event("POST", "/api/upload", json_body={"email": email, "type": media_type, **fields})


def confirm(upload_id: str) -> dict[str, Any]:
    """POST /api/upload/{uploadId}/confirm."""
    return api_event("POST", f"/api/upload/{upload_id}/confirm", path_parameters={"uploadId": upload_id})


def process(upload_id: str, token: str) -> dict[str, Any]:
    """POST /api/process."""
    return api_event("POST", "/api/process", json_body={"uploadId": upload_id}, headers={"x-session-token": token})


def delete(upload_id: str, token: str) -> dict[str, Any]:
    """DELETE /api/upload/{uploadId}."""
    path, own = f"/api/upload/{upload_id}", {"x-session-token": token}
    return api_event("DELETE", path, headers=own, path_parameters={"uploadId": upload_id})


def status(upload_id: str, token: str) -> dict[str, Any]:
    """GET /api/status/{jobId}."""
    return api_event(
        "GET", f"/api/status/{upload_id}", headers={"x-session-token": token}, path_parameters={"jobId": upload_id}
    )
