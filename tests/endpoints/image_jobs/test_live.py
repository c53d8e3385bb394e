"""POST /api/status/{jobId}/live: a ticket for whoever has the job's token. What it opens is in tests/live."""

from datetime import UTC, datetime

import httpx

from inlet.identifiers import token_hash
from local.stack import LocalStack
from tests.support.image_jobs import SECURITY, TIME, UNKNOWN, Upload, assert_error, reserve
from tests.support.stacks import Rows
from tests.support.viewers import ask, ticket_for, token_of

KEY = "idempotency-key-of-a-viewer"


def asked(http: httpx.Client, upload: Upload, **headers: str) -> httpx.Response:
    return ask(http, f"/api/status/{upload.id}", **headers)


def test_gives_out_a_ticket(http: httpx.Client, rows: Rows, stack: LocalStack) -> None:
    upload = reserve(http)
    answer = asked(http, upload, **upload.auth)
    assert answer.status_code == 201
    assert SECURITY.items() <= dict(answer.headers).items()
    body = answer.json()
    assert body.keys() == {"liveUrl", "expiresAt"}
    assert TIME.fullmatch(body["expiresAt"])
    assert 0 < (datetime.fromisoformat(body["expiresAt"]) - datetime.now(UTC)).total_seconds() <= 60
    secret = token_of(body["liveUrl"])
    assert body["liveUrl"] == f"{stack.live_url}?ticket={secret}"
    assert len(secret) == 43, "32 random bytes"
    [row] = rows.execute("SELECT * FROM live_tickets WHERE topic = %s", (f"image_job:{upload.id}",)).fetchall()
    assert (row["hash"], row["user_id"]) == (token_hash(secret), None)
    assert secret not in str(row), "only its hash is stored"


def test_each_is_another(http: httpx.Client) -> None:
    upload = reserve(http)
    assert ticket_for(http, upload) != ticket_for(http, upload)


def test_needs_the_token(http: httpx.Client) -> None:
    upload = reserve(http)
    missing, wrong = asked(http, upload), asked(http, upload, **reserve(http).auth)
    assert_error(missing, 401, "UNAUTHORIZED", "The X-Session-Token header is missing.")
    assert_error(wrong, 401, "UNAUTHORIZED", "The X-Session-Token does not belong to this upload.")


def test_unknown(http: httpx.Client) -> None:
    assert_error(asked(http, UNKNOWN, **UNKNOWN.auth), 404, "NOT_FOUND", "Upload not found. Please try again.")


def test_a_repeated_request_has_the_same_ticket(http: httpx.Client) -> None:
    upload = reserve(http)
    first, again = (asked(http, upload, **upload.auth, **{"Idempotency-Key": KEY}) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
