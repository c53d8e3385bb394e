"""A client of speaking sessions, as plain as one can be, and what the stack then has of them."""

from typing import TYPE_CHECKING, Any

import httpx

from local.stack import LocalStack
from tests.support.invocations import api_event
from tests.support.recordings import tone
from tests.support.stacks import Rows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MEGABYTE = 1024 * 1024
OTHER_USER = "other-user-99999999-9999-9999-9999-999999999999"
NOBODY = "00000000-0000-4000-8000-000000000000"


def send_form(
    http: httpx.Client,
    content: bytes | None = None,
    *,
    content_type: str = "audio/wav",
    filename: str = "recording.webm",
    idempotency_key: str | None = None,
    **fields: str,
) -> httpx.Response:
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
    files = {"audio": (filename, content, content_type)} if content is not None else {"other": ("", b"")}
    return http.post("/api/sessions", data={"duration": "1.5"} | fields, files=files, headers=headers)


def recorded(http: httpx.Client) -> str:
    """The id of a session made of a form."""
    answer = send_form(http, tone())
    assert answer.status_code == 201, answer.text
    session_id: str = answer.json()["id"]
    return session_id


def announce(http: httpx.Client, **members: Any) -> httpx.Response:
    return http.post("/api/sessions", json={"contentType": "audio/wav", "size": 100, "duration": 1.5} | members)


def put(announced: dict[str, Any], content: bytes) -> httpx.Response:
    return httpx.put(announced["uploadUrl"], content=content, headers=announced["headers"], timeout=30)


def row_of(rows: Rows, session_id: str) -> dict[str, Any]:
    row = rows.execute("SELECT * FROM speaking_sessions WHERE id = %s", [session_id]).fetchone()
    assert row is not None
    return row


def objects(storage: "S3Client", stack: LocalStack, prefix: str = "sessions/") -> list[str]:
    listing = storage.list_objects_v2(Bucket=stack.bucket, Prefix=prefix)
    return [known["Key"] for known in listing.get("Contents", [])]


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    return answer.status_code, body["code"], body["error"]


def as_user(stack: LocalStack, function: str, method: str, path: str, sub: str, **more: Any) -> dict[str, Any]:
    """What a function answers a user whose token API Gateway has verified."""
    claims = {"sub": sub, "email": "ada@example.com", "name": "Ada"}
    outcome = stack.sandboxes.invoke(function, api_event(method, path, claims=claims, **more))
    assert outcome.error is None, outcome.error
    answer: dict[str, Any] = outcome.payload
    return answer


def change(rows: Rows, session_id: str, **columns: Any) -> None:
    """Put the recording into a state."""
    for name, value in columns.items():
        rows.execute(f"UPDATE speaking_sessions SET {name} = %s WHERE id = %s".encode(), [value, session_id])
