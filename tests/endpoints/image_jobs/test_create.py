"""POST /api/upload: what is reserved, what the bucket then takes, and what is refused."""

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from botocore.auth import AUTH_TYPE_MAPS

from inlet import storage
from local.stack import LocalStack
from tests.support import image_jobs
from tests.support.image_jobs import EMAIL, SECURITY, TIME, assert_error, confirm, reserve, row
from tests.support.photographs import PHOTOGRAPH
from tests.support.stacks import Rows


def test_reserves(http: httpx.Client, rows: Rows, stack: LocalStack) -> None:
    answer = http.post("/api/upload", json={"email": EMAIL, "type": "image/jpeg", "size": 1234})
    assert answer.status_code == 201
    body = answer.json()
    assert body.keys() == {"uploadUrl", "uploadId", "key", "expiresAt", "sessionToken", "headers"}
    assert re.fullmatch(r"[a-z][0-9a-z]{23}", body["uploadId"])
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", body["sessionToken"])
    assert body["key"] == f"uploads/{body['uploadId']}/original.jpg"
    assert body["headers"] == {"Content-Type": "image/jpeg", "If-None-Match": "*"}
    assert TIME.fullmatch(body["expiresAt"])
    in_fifteen_minutes = datetime.now(UTC) + timedelta(minutes=15)
    assert abs(datetime.fromisoformat(body["expiresAt"]) - in_fifteen_minutes) < timedelta(seconds=10)
    url = urlsplit(body["uploadUrl"])
    query = parse_qs(url.query)
    assert url.path == f"/{stack.bucket}/{body['key']}"
    assert query["X-Amz-SignedHeaders"] == ["content-length;content-type;host;if-none-match"]
    assert query["X-Amz-Expires"] == ["900"]
    assert body["sessionToken"] not in body["uploadUrl"]
    assert SECURITY.items() <= dict(answer.headers).items()

    upload = image_jobs.read(answer)
    stored = row(rows, upload)
    assert stored["session_token_hash"] == hashlib.sha256(upload.token.encode()).hexdigest()
    assert upload.token not in repr(stored)
    assert (stored["status"], stored["stage"], stored["progress"], stored["attempt"]) == ("pending", None, 0, 0)
    assert (stored["email"], stored["original_url"], stored["size"]) == (EMAIL, body["key"], 1234)
    events = rows.execute("SELECT * FROM outbox_events WHERE distinct_id = %s", (upload.id,)).fetchall()
    assert {event["name"]: event["properties"] for event in events} == {
        "upload_started": {"upload_id": upload.id},
        "session_created": {"upload_id": upload.id},
    }


@pytest.mark.parametrize(
    ("media_type", "extension"),
    [("image/jpeg", "jpg"), ("image/png", "png"), ("image/webp", "webp"), ("image/heic", "heic")],
)
def test_takes_four_types(http: httpx.Client, media_type: str, extension: str) -> None:
    upload = reserve(http, media_type)
    assert f"/uploads/{upload.id}/original.{extension}?" in upload.url
    assert upload.headers["Content-Type"] == media_type


def test_the_bucket_takes_exactly_what_was_declared_and_once(http: httpx.Client) -> None:
    upload = reserve(http, size=len(PHOTOGRAPH))
    assert upload.put(PHOTOGRAPH + b"x").status_code == 403, "one byte more"
    assert upload.put(PHOTOGRAPH[:-1]).status_code == 403, "one byte less"
    assert upload.put(content_type="image/jpeg").status_code == 403, "another type"
    without_condition = {"Content-Type": "image/png"}
    refused = httpx.put(upload.url, content=PHOTOGRAPH, headers=without_condition)
    assert refused.status_code == 403, "without If-None-Match"
    assert upload.put().status_code == 200
    assert upload.put().status_code == 412, "a second time"
    assert upload.put(PHOTOGRAPH[::-1]).status_code == 412, "with other bytes"


def test_the_bucket_checks_a_declared_digest(http: httpx.Client) -> None:
    digest = base64.b64encode(hashlib.sha256(PHOTOGRAPH).digest()).decode()
    upload = reserve(http, sha256=digest)
    assert upload.headers["x-amz-checksum-sha256"] == digest
    assert upload.put(PHOTOGRAPH[::-1]).status_code == 400
    assert upload.put().status_code == 200
    assert confirm(http, upload).status_code == 200


@pytest.mark.usefixtures("inlet_settings")
@pytest.mark.parametrize(("seconds_ago", "status_code"), [(890, 200), (910, 403)])
def test_an_expired_url_is_refused_by_the_bucket(
    monkeypatch: pytest.MonkeyPatch, seconds_ago: int, status_code: int
) -> None:
    past = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    signer = AUTH_TYPE_MAPS["s3v4-query"].__module__  # of the AWS CRT, where that is installed
    monkeypatch.setattr(
        f"{signer}.get_current_datetime",
        lambda remove_tzinfo=True: past.replace(tzinfo=None) if remove_tzinfo else past,
    )
    signed = storage.presign_put(f"uploads/{seconds_ago}/original.png", content_type="image/png")
    assert httpx.put(signed.url, content=PHOTOGRAPH, headers=signed.headers).status_code == status_code


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a@localhost"}, "email"),
        ({"email": "Ada <ada@example.com>"}, "email"),
        ({"email": f"{'a' * 250}@example.com"}, "email"),
        ({"email": "a@example.com\r\nBcc: b@example.com"}, "email"),
        ({"email": 5}, "email"),
        ({"email": None}, "email"),
        ({"type": None}, "type"),
        ({"type": ["image/png"]}, "type"),
        ({"size": 0}, "size"),
        ({"size": -1}, "size"),
        ({"size": "5"}, "size"),
        ({"size": 1.5}, "size"),
        ({"size": True}, "size"),
        ({"sha256": "abc"}, "sha256"),
        ({"sha256": "A" * 44}, "sha256"),
    ],
)
def test_422_names_the_field(http: httpx.Client, fields: dict[str, Any], named: str) -> None:
    answer = http.post("/api/upload", json={"email": EMAIL, "type": "image/png"} | fields)
    assert answer.status_code == 422
    body = answer.json()
    assert body["error"] == {"code": "VALIDATION_ERROR", "message": "Some fields are missing or wrong."}
    assert [field["field"] for field in body["fields"]] == [named]


def test_missing_fields_are_all_named(http: httpx.Client) -> None:
    fields = http.post("/api/upload", json={}).json()["fields"]
    assert {field["field"] for field in fields} == {"email", "type"}


@pytest.mark.parametrize("media_type", ["image/gif", "image/svg+xml", "application/pdf", "text/html", "", "image/*"])
def test_415_for_another_type(http: httpx.Client, media_type: str) -> None:
    answer = http.post("/api/upload", json={"email": EMAIL, "type": media_type})
    message = "Please upload one of image/jpeg, image/png, image/webp, image/heic."
    assert_error(answer, 415, "BAD_REQUEST", message)


def test_413_past_25_megabytes(http: httpx.Client) -> None:
    limit = 25 * 1024 * 1024
    reserve(http, size=limit)
    answer = http.post("/api/upload", json={"email": EMAIL, "type": "image/png", "size": limit + 1})
    assert_error(answer, 413, "BAD_REQUEST", f"The image may have at most {limit} bytes.")


def test_what_nobody_asked_for_is_not_stored(http: httpx.Client, rows: Rows) -> None:
    upload = reserve(
        http,
        id="mine",
        uploadId="mine",
        key="uploads/mine/original.png",
        status="completed",
        attempt=3,
        progress=100,
        etag="mine",
        confirmedAt="2026-01-01T00:00:00Z",
        expiresAt=None,
        sessionToken="mine",
        session_token_hash="mine",
        __proto__={"admin": "mine"},
    )
    stored = row(rows, upload)
    assert upload.id != "mine"
    assert upload.token != "mine"
    assert (stored["status"], stored["attempt"], stored["progress"], stored["etag"]) == ("pending", 0, 0, None)
    assert stored["confirmed_at"] is None
    assert stored["expires_at"] is not None
    assert "mine" not in repr(stored)
