"""The Idempotency-Key of image jobs: a repeated request gets the first answer, another one is refused."""

from typing import Any

import httpx
import pytest

from tests.support import image_jobs
from tests.support.image_jobs import EMAIL, SECURITY, assert_error, confirm, process, reserve
from tests.support.stacks import Rows


def post(http: httpx.Client, key: str, **fields: Any) -> httpx.Response:
    return http.post(
        "/api/upload", json={"email": EMAIL, "type": "image/png"} | fields, headers={"Idempotency-Key": key}
    )


def test_a_repeat_gets_the_same_upload_with_the_same_token(http: httpx.Client, rows: Rows) -> None:
    first = post(http, "same-1")
    again = post(http, "same-1")
    assert again.status_code == first.status_code == 201
    assert again.json() == first.json()
    assert SECURITY.items() <= dict(again.headers).items()
    upload = image_jobs.read(again)
    assert upload.put().status_code == 200
    assert confirm(http, upload, **upload.auth).status_code == 200
    key = f"%{first.json()['sessionToken']}%"
    stored = rows.execute("SELECT count(*) FROM idempotency_keys WHERE idempotency_keys::text LIKE %s", (key,))
    assert stored.fetchone() == {"count": 0}


def test_another_body_is_refused(http: httpx.Client) -> None:
    post(http, "other-1")
    message = "This Idempotency-Key was already used with a different request."
    assert_error(post(http, "other-1", size=5), 422, "IDEMPOTENCY_MISMATCH", message)


def test_while_the_first_runs_then_after_its_death(http: httpx.Client, rows: Rows) -> None:
    first = post(http, "dead-1").json()
    one = " WHERE claim = (SELECT claim FROM idempotency_keys ORDER BY expires_at DESC LIMIT 1)"
    rows.execute("UPDATE idempotency_keys SET answer = NULL, locked_until = now() + interval '1 minute'" + one)
    refused = post(http, "dead-1")
    message = "The first request with this Idempotency-Key is still running."
    assert_error(refused, 409, "IDEMPOTENCY_IN_PROGRESS", message)
    assert refused.headers["retry-after"] == "1"
    rows.execute("UPDATE idempotency_keys SET locked_until = now() - interval '1 second'" + one)
    taken_over = post(http, "dead-1")
    assert taken_over.status_code == 201
    assert taken_over.json()["uploadId"] != first["uploadId"]


def test_holds_for_confirm_and_process_too(http: httpx.Client) -> None:
    upload = reserve(http)
    upload.put()
    key = {"Idempotency-Key": "both-1"}
    assert confirm(http, upload, **key).json() == confirm(http, upload, **key).json()
    first, again = process(http, upload, **key), process(http, upload, **key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()


@pytest.mark.parametrize("key", ["x" * 256, "", "with space"])
def test_an_unusable_key_is_400(http: httpx.Client, key: str) -> None:
    message = "An Idempotency-Key has 1 to 255 visible ASCII characters."
    assert_error(post(http, key), 400, "BAD_REQUEST", message)
