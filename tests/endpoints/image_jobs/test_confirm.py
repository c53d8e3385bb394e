"""POST /api/upload/{uploadId}/confirm: what was stored is pinned, or sent back."""

from typing import Any

import httpx
import pytest

from local.stack import LocalStack
from tests.support.image_jobs import UNKNOWN, assert_error, confirm, confirmed, reserve, row
from tests.support.photographs import PHOTOGRAPH
from tests.support.stacks import Rows


def test_pins_what_was_stored(http: httpx.Client, rows: Rows) -> None:
    upload = reserve(http)
    etag = upload.put().headers["etag"].strip('"')
    answer = confirm(http, upload)
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "jobId": upload.id, "status": "pending"}
    stored = row(rows, upload)
    assert (stored["etag"], stored["size"], stored["status"]) == (etag, len(PHOTOGRAPH), "pending")
    assert stored["confirmed_at"] is not None
    event = rows.execute(
        "SELECT properties FROM outbox_events WHERE name = 'upload_confirmed' AND distinct_id = %s", (upload.id,)
    ).fetchone()
    assert event is not None
    assert event["properties"] == {
        "upload_id": upload.id,
        "file_size": len(PHOTOGRAPH),
        "file_type": "image/png",
    }


def test_unknown(http: httpx.Client) -> None:
    assert_error(confirm(http, UNKNOWN), 404, "NOT_FOUND", "Upload not found. Please try again.")


def test_twice(http: httpx.Client) -> None:
    upload = confirmed(http)
    message = "This upload has already been processed."
    assert_error(confirm(http, upload), 409, "ALREADY_CONFIRMED", message)


def test_before_the_object_is_there(http: httpx.Client) -> None:
    upload = reserve(http)
    answer = confirm(http, upload)
    message = "We can't see your file yet. Please finish the upload first."
    assert_error(answer, 409, "NOT_UPLOADED", message)
    assert answer.headers["retry-after"] == "1"
    upload.put()
    assert confirm(http, upload).status_code == 200


@pytest.mark.parametrize(
    ("declared", "stored_type", "content"),
    [
        ({"size": 10}, "image/png", b"x" * 11),
        ({"size": 10}, "image/png", b"x" * 9),
        ({"size": 10}, "image/jpeg", b"x" * 10),
        ({}, "text/html", b"x" * 10),
        ({}, "image/png", b""),
    ],
)
def test_what_is_not_as_declared_is_deleted(
    http: httpx.Client, stack: LocalStack, declared: dict[str, Any], stored_type: str, content: bytes
) -> None:
    """The bucket refuses such a PUT; if it should get in all the same, confirming finds it."""
    upload = reserve(http, **declared)
    key = f"uploads/{upload.id}/original.png"
    stack.storage.put_object(Bucket=stack.bucket, Key=key, Body=content, ContentType=stored_type)
    message = "The uploaded file is not the one that was announced. Please upload it again."
    assert_error(confirm(http, upload), 422, "UPLOAD_MISMATCH", message)
    assert stack.storage.list_objects_v2(Bucket=stack.bucket, Prefix=key)["KeyCount"] == 0
    if not declared:
        assert upload.put().status_code == 200, "the same URL still works"
        assert confirm(http, upload).status_code == 200


def test_a_token_is_optional_but_must_match(http: httpx.Client) -> None:
    upload, other = reserve(http), reserve(http)
    upload.put()
    for token in (other.token, "x", "é"):
        answer = confirm(http, upload, **{"X-Session-Token": token.encode()})  # type: ignore[arg-type]
        assert_error(answer, 401, "UNAUTHORIZED", "The X-Session-Token does not belong to this upload.")
    assert confirm(http, upload, **upload.auth).status_code == 200
