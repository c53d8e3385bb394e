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
    first = post(http, "same-1-000000000000000000")
    again = post(http, "same-1-000000000000000000")
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
    post(http, "other-1-000000000000000000")
    message = "This Idempotency-Key was already used with a different request."
    assert_error(post(http, "other-1-000000000000000000", size=5), 422, "IDEMPOTENCY_MISMATCH", message)


def test_while_the_first_runs_then_after_its_death(http: httpx.Client, rows: Rows) -> None:
    first = post(http, "dead-1-000000000000000000").json()
    one = " WHERE claim = (SELECT claim FROM idempotency_keys ORDER BY expires_at DESC LIMIT 1)"
    rows.execute("UPDATE idempotency_keys SET answer = NULL, locked_until = now() + interval '1 minute'" + one)
    refused = post(http, "dead-1-000000000000000000")
    message = "The first request with this Idempotency-Key is still running."
    assert_error(refused, 409, "IDEMPOTENCY_IN_PROGRESS", message)
    assert refused.headers["retry-after"] == "1"
    rows.execute("UPDATE idempotency_keys SET locked_until = now() - interval '1 second'" + one)
    taken_over = post(http, "dead-1-000000000000000000")
    assert taken_over.status_code == 201
    assert taken_over.json()["uploadId"] != first["uploadId"]


def test_holds_for_confirm_and_process_too(http: httpx.Client) -> None:
    upload = reserve(http)
    upload.put()
    key = {"Idempotency-Key": "both-1-000000000000000000"}
    assert confirm(http, upload, **key).json() == confirm(http, upload, **key).json()
    first, again = process(http, upload, **key), process(http, upload, **key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()


@pytest.mark.parametrize("key", ["1", "x" * 21, "x" * 256, "", "with a space in the middle"])
def test_a_key_that_may_be_guessed_is_400(http: httpx.Client, key: str) -> None:
    message = "An Idempotency-Key has at least 22 characters of A-Z, a-z, 0-9, - and _. Use a UUID."
    assert_error(post(http, key), 400, "BAD_REQUEST", message)
