"""Image jobs over HTTP: every row, status, code and message of the contract's family A, through the local gateway."""

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest
from botocore.auth import AUTH_TYPE_MAPS
from PIL import Image
from psycopg.rows import dict_row

from inlet import storage
from local.stack import LocalStack
from local_aws.s3_server import S3Server
from tests.conftest import new_stack, storage_settings
from tests.support import image_jobs, invocations, photographs
from tests.support.image_jobs import (
    EMAIL,
    PHOTOGRAPH,
    Upload,
    confirm,
    confirmed,
    process,
    reserve,
    started,
    status,
    wait,
)

type Rows = psycopg.Connection[dict[str, Any]]

UNKNOWN = Upload("aaaaaaaaaaaaaaaaaaaaaaaa", "no-such-token", "", {})
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SECURITY = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
}


@pytest.fixture
def rows(stack: LocalStack) -> Iterator[Rows]:
    """The stack's database."""
    with psycopg.connect(stack.database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture(scope="module")
def finished(stack: LocalStack) -> Upload:
    """One completed job, to be looked at only."""
    with httpx.Client(base_url=stack.url, timeout=30) as http:
        upload = started(http)
        assert wait(http, upload)["status"] == "completed"
    return upload


@pytest.fixture(scope="module")
def limited(
    tmp_path_factory: pytest.TempPathFactory,
    make_database: Callable[[], str],
    make_bucket: Callable[[], str],
    s3: S3Server,
) -> Iterator[LocalStack]:
    """A stack with limits on."""
    settings = {"DATABASE_URL": make_database(), "MAX_IMAGE_BYTES": "1000"} | storage_settings(s3, make_bucket())
    with new_stack(tmp_path_factory.mktemp("limited"), settings) as running:
        yield running


def row(rows: Rows, upload: Upload) -> dict[str, Any]:
    found = rows.execute("SELECT * FROM uploads WHERE id = %s", (upload.id,)).fetchone()
    assert found is not None
    return found


def assert_error(answer: httpx.Response, status_code: int, code: str, message: str, **more: Any) -> None:
    """The envelope of family A, word for word."""
    assert answer.status_code == status_code, answer.text
    assert answer.json() == {"success": False, "error": {"code": code, "message": message}} | more
    assert SECURITY.items() <= dict(answer.headers).items()


class TestCreate:
    def test_reserves(self, http: httpx.Client, rows: Rows, stack: LocalStack) -> None:
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
    def test_takes_four_types(self, http: httpx.Client, media_type: str, extension: str) -> None:
        upload = reserve(http, media_type)
        assert f"/uploads/{upload.id}/original.{extension}?" in upload.url
        assert upload.headers["Content-Type"] == media_type

    def test_the_bucket_takes_exactly_what_was_declared_and_once(self, http: httpx.Client) -> None:
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

    def test_the_bucket_checks_a_declared_digest(self, http: httpx.Client) -> None:
        digest = base64.b64encode(hashlib.sha256(PHOTOGRAPH).digest()).decode()
        upload = reserve(http, sha256=digest)
        assert upload.headers["x-amz-checksum-sha256"] == digest
        assert upload.put(PHOTOGRAPH[::-1]).status_code == 400
        assert upload.put().status_code == 200
        assert confirm(http, upload).status_code == 200

    @pytest.mark.usefixtures("inlet_settings")
    @pytest.mark.parametrize(("seconds_ago", "status_code"), [(890, 200), (910, 403)])
    def test_an_expired_url_is_refused_by_the_bucket(
        self, monkeypatch: pytest.MonkeyPatch, seconds_ago: int, status_code: int
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
    def test_422_names_the_field(self, http: httpx.Client, fields: dict[str, Any], named: str) -> None:
        answer = http.post("/api/upload", json={"email": EMAIL, "type": "image/png"} | fields)
        assert answer.status_code == 422
        body = answer.json()
        assert body["error"] == {"code": "VALIDATION_ERROR", "message": "Some fields are missing or wrong."}
        assert [field["field"] for field in body["fields"]] == [named]

    def test_missing_fields_are_all_named(self, http: httpx.Client) -> None:
        fields = http.post("/api/upload", json={}).json()["fields"]
        assert {field["field"] for field in fields} == {"email", "type"}

    @pytest.mark.parametrize(
        "media_type", ["image/gif", "image/svg+xml", "application/pdf", "text/html", "", "image/*"]
    )
    def test_415_for_another_type(self, http: httpx.Client, media_type: str) -> None:
        answer = http.post("/api/upload", json={"email": EMAIL, "type": media_type})
        message = "Please upload one of image/jpeg, image/png, image/webp, image/heic."
        assert_error(answer, 415, "BAD_REQUEST", message)

    def test_413_past_25_megabytes(self, http: httpx.Client) -> None:
        limit = 25 * 1024 * 1024
        reserve(http, size=limit)
        answer = http.post("/api/upload", json={"email": EMAIL, "type": "image/png", "size": limit + 1})
        assert_error(answer, 413, "BAD_REQUEST", f"The image may have at most {limit} bytes.")

    def test_what_nobody_asked_for_is_not_stored(self, http: httpx.Client, rows: Rows) -> None:
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


class TestIdempotencyKey:
    def post(self, http: httpx.Client, key: str, **fields: Any) -> httpx.Response:
        return http.post(
            "/api/upload", json={"email": EMAIL, "type": "image/png"} | fields, headers={"Idempotency-Key": key}
        )

    def test_a_repeat_gets_the_same_upload_with_the_same_token(self, http: httpx.Client, rows: Rows) -> None:
        first = self.post(http, "same-1")
        again = self.post(http, "same-1")
        assert again.status_code == first.status_code == 201
        assert again.json() == first.json()
        assert SECURITY.items() <= dict(again.headers).items()
        upload = image_jobs.read(again)
        assert upload.put().status_code == 200
        assert confirm(http, upload, **upload.auth).status_code == 200
        key = f"%{first.json()['sessionToken']}%"
        stored = rows.execute("SELECT count(*) FROM idempotency_keys WHERE idempotency_keys::text LIKE %s", (key,))
        assert stored.fetchone() == {"count": 0}

    def test_another_body_is_refused(self, http: httpx.Client) -> None:
        self.post(http, "other-1")
        message = "This Idempotency-Key was already used with a different request."
        assert_error(self.post(http, "other-1", size=5), 422, "IDEMPOTENCY_MISMATCH", message)

    def test_while_the_first_runs_then_after_its_death(self, http: httpx.Client, rows: Rows) -> None:
        first = self.post(http, "dead-1").json()
        one = " WHERE claim = (SELECT claim FROM idempotency_keys ORDER BY expires_at DESC LIMIT 1)"
        rows.execute("UPDATE idempotency_keys SET answer = NULL, locked_until = now() + interval '1 minute'" + one)
        refused = self.post(http, "dead-1")
        message = "The first request with this Idempotency-Key is still running."
        assert_error(refused, 409, "IDEMPOTENCY_IN_PROGRESS", message)
        assert refused.headers["retry-after"] == "1"
        rows.execute("UPDATE idempotency_keys SET locked_until = now() - interval '1 second'" + one)
        taken_over = self.post(http, "dead-1")
        assert taken_over.status_code == 201
        assert taken_over.json()["uploadId"] != first["uploadId"]

    def test_holds_for_confirm_and_process_too(self, http: httpx.Client) -> None:
        upload = reserve(http)
        upload.put()
        key = {"Idempotency-Key": "both-1"}
        assert confirm(http, upload, **key).json() == confirm(http, upload, **key).json()
        first, again = process(http, upload, **key), process(http, upload, **key)
        assert (first.status_code, again.status_code) == (202, 202)
        assert first.json() == again.json()

    @pytest.mark.parametrize("key", ["x" * 256, ""])
    def test_an_unusable_key_is_400(self, http: httpx.Client, key: str) -> None:
        message = "An Idempotency-Key has 1 to 255 printable characters."
        assert_error(self.post(http, key), 400, "BAD_REQUEST", message)


class TestConfirm:
    def test_pins_what_was_stored(self, http: httpx.Client, rows: Rows) -> None:
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

    def test_unknown(self, http: httpx.Client) -> None:
        assert_error(confirm(http, UNKNOWN), 404, "NOT_FOUND", "Upload not found. Please try again.")

    def test_twice(self, http: httpx.Client) -> None:
        upload = confirmed(http)
        message = "This upload has already been processed."
        assert_error(confirm(http, upload), 409, "ALREADY_CONFIRMED", message)

    def test_before_the_object_is_there(self, http: httpx.Client) -> None:
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
        self, http: httpx.Client, stack: LocalStack, declared: dict[str, Any], stored_type: str, content: bytes
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

    def test_a_token_is_optional_but_must_match(self, http: httpx.Client) -> None:
        upload, other = reserve(http), reserve(http)
        upload.put()
        for token in (other.token, "x", "é"):
            answer = confirm(http, upload, **{"X-Session-Token": token.encode()})  # type: ignore[arg-type]
            assert_error(answer, 401, "UNAUTHORIZED", "The X-Session-Token does not belong to this upload.")
        assert confirm(http, upload, **upload.auth).status_code == 200


class TestProcess:
    def test_starts_the_workflow_and_waits_for_nothing(self, http: httpx.Client, rows: Rows, stack: LocalStack) -> None:
        upload = confirmed(http)
        process(http, UNKNOWN)  # a warm sandbox
        begun = time.monotonic()
        answer = process(http, upload)
        assert time.monotonic() - begun < 2
        assert answer.status_code == 202
        stored = row(rows, upload)
        assert answer.json() == {
            "success": True,
            "jobId": upload.id,
            "status": "processing",
            "workflowRunId": stored["workflow_run_id"],
        }
        assert stored["workflow_run_id"].endswith(f":{upload.id}-1")
        assert wait(http, upload)["status"] == "completed"
        execution = stack.engine.client().describe_execution(executionArn=stored["workflow_run_id"])
        assert json.loads(execution["input"]) == {"uploadId": upload.id, "attempt": 1}
        assert json.loads(execution["output"]).keys() == {"resultId"}

    def test_needs_the_token(self, http: httpx.Client) -> None:
        upload, other = confirmed(http), reserve(http)
        missing = http.post("/api/process", json={"uploadId": upload.id})
        assert_error(missing, 401, "UNAUTHORIZED", "The X-Session-Token header is missing.")
        for token in (other.token, upload.token + "x", upload.token[:-1], upload.token.swapcase()):
            wrong = http.post("/api/process", json={"uploadId": upload.id}, headers={"X-Session-Token": token})
            assert_error(wrong, 401, "UNAUTHORIZED", "The X-Session-Token does not belong to this upload.")
        assert status(http, upload).json()["status"] == "pending"

    def test_the_token_counts_only_in_its_header(self, http: httpx.Client) -> None:
        upload = confirmed(http)
        body = {"uploadId": upload.id, "sessionToken": upload.token, "X-Session-Token": upload.token}
        answer = http.post("/api/process", params={"sessionToken": upload.token}, json=body)
        assert answer.status_code == 401
        http.cookies.set("X-Session-Token", upload.token)
        assert http.post("/api/process", json=body).status_code == 401

    def test_unknown(self, http: httpx.Client) -> None:
        assert_error(process(http, UNKNOWN), 404, "NOT_FOUND", "Upload not found. Please try again.")

    def test_before_confirmation(self, http: httpx.Client) -> None:
        upload = reserve(http)
        assert_error(process(http, upload), 409, "NOT_CONFIRMED", "Please confirm the upload first.")
        upload.put()
        assert_error(process(http, upload), 409, "NOT_CONFIRMED", "Please confirm the upload first.")

    def test_twice(self, http: httpx.Client, rows: Rows) -> None:
        upload = started(http)
        wait(http, upload)
        message = "This upload is already being processed."
        assert_error(process(http, upload), 409, "ALREADY_PROCESSING", message, status="completed")
        rows.execute("UPDATE uploads SET status = 'processing' WHERE id = %s", (upload.id,))
        assert_error(process(http, upload), 409, "ALREADY_PROCESSING", message, status="processing")

    @pytest.mark.parametrize(
        "body", [{}, {"uploadId": ""}, {"uploadId": "x" * 65}, {"uploadId": 5}, {"uploadId": None}]
    )
    def test_422(self, http: httpx.Client, body: dict[str, Any]) -> None:
        answer = http.post("/api/process", json=body, headers={"X-Session-Token": "t"})
        assert answer.status_code == 422
        assert [field["field"] for field in answer.json()["fields"]] == ["uploadId"]

    def test_a_failed_job_is_processed_again_three_times_in_all(self, http: httpx.Client, rows: Rows) -> None:
        upload = started(http, b"no picture")
        for attempt in (1, 2, 3):
            assert wait(http, upload)["status"] == "failed"
            assert row(rows, upload)["attempt"] == attempt
            answer = process(http, upload)
            if attempt < 3:
                assert answer.status_code == 202
                assert answer.json()["workflowRunId"].endswith(f":{upload.id}-{attempt + 1}")
                during = status(http, upload).json()
                assert during["status"] == "failed" or "errorMessage" not in during
        message = "This upload could not be processed. Please upload the photo again."
        assert_error(answer, 409, "ALREADY_PROCESSING", message, status="failed")


class TestStatus:
    def test_before_work_starts(self, http: httpx.Client) -> None:
        upload = reserve(http)
        answer = status(http, upload)
        assert answer.status_code == 200
        body = answer.json()
        assert TIME.fullmatch(body.pop("updatedAt"))
        assert body == {"success": True, "status": "pending", "stage": None, "progress": 0, "resultId": None}
        assert answer.headers["retry-after"] == "2"

    def test_completed(self, http: httpx.Client, finished: Upload) -> None:
        answer = status(http, finished)
        body = answer.json()
        assert body.pop("updatedAt")
        assert re.fullmatch(r"r[0-9a-z]{23}", body.pop("resultId"))
        assert body == {"success": True, "status": "completed", "stage": "complete", "progress": 100}
        assert "retry-after" not in answer.headers

    def test_failed_says_why_and_keeps_its_progress(self, http: httpx.Client) -> None:
        upload = started(http, b"no picture at all")
        body = wait(http, upload)
        assert (body["status"], body["stage"], body["progress"], body["resultId"]) == ("failed", "failed", 10, None)
        assert body["errorMessage"] == "We can't read this kind of file. Please choose a JPEG, PNG, WebP or HEIC photo."
        assert "retry-after" not in status(http, upload).headers

    def test_progress_only_rises(self, http: httpx.Client) -> None:
        upload = confirmed(http)
        process(http, upload)
        seen: list[tuple[str, int, str]] = []
        ranks = ["", "validating", "generating", "storing", "watermarking", "complete"]
        body: dict[str, Any] = {"status": "pending"}
        while body["status"] not in ("completed", "failed"):
            body = status(http, upload).json()
            seen.append((body["stage"] or "", body["progress"], body["updatedAt"]))
            assert (body["resultId"] is None) == (body["status"] != "completed")
        assert [ranks.index(stage) for stage, _, _ in seen] == sorted(ranks.index(stage) for stage, _, _ in seen)
        assert [progress for _, progress, _ in seen] == sorted(progress for _, progress, _ in seen)
        assert [moment for _, _, moment in seen] == sorted(moment for _, _, moment in seen)
        assert {progress for _, progress, _ in seen} <= {0, 10, 30, 70, 80, 90, 100}
        assert seen[-1][:2] == ("complete", 100)

    def test_unchanged_is_304(self, http: httpx.Client, finished: Upload) -> None:
        upload = reserve(http)
        etag = status(http, upload).headers["etag"]
        assert re.fullmatch(r'"[0-9a-f]{32}"', etag), "strong"
        for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            answer = status(http, upload, **{"If-None-Match": condition})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == etag
            assert answer.headers["retry-after"] == "2"
        assert status(http, upload, **{"If-None-Match": '"other"'}).status_code == 200
        assert status(http, finished).headers["etag"] != etag
        upload.put()
        confirm(http, upload)
        assert status(http, upload, **{"If-None-Match": etag}).status_code == 200, "updatedAt has moved"

    def test_needs_the_token(self, http: httpx.Client, finished: Upload) -> None:
        missing = http.get(f"/api/status/{finished.id}")
        assert_error(missing, 401, "UNAUTHORIZED", "The X-Session-Token header is missing.")
        other = reserve(http)
        wrong = http.get(f"/api/status/{finished.id}", headers=other.auth)
        assert_error(wrong, 401, "UNAUTHORIZED", "The X-Session-Token does not belong to this upload.")
        assert "etag" not in wrong.headers

    def test_unknown(self, http: httpx.Client) -> None:
        assert_error(status(http, UNKNOWN), 404, "NOT_FOUND", "Upload not found. Please try again.")

    @pytest.mark.usefixtures("inlet_settings")
    def test_a_tenth_of_the_polls_is_an_event(
        self,
        database: psycopg.Connection[Any],
        load_handler: Callable[[str], ModuleType],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        created = load_handler("uploads/create").lambda_handler(invocations.create(), invocations.Context())
        upload = json.loads(created["body"])
        handler = load_handler("uploads/status")
        draws = iter([0.0999, 0.1, 0.0, 0.5])
        monkeypatch.setattr(handler.random, "random", lambda: next(draws))
        event = invocations.status(upload["uploadId"], upload["sessionToken"])
        answers = [handler.lambda_handler(event, invocations.Context())["body"] for _ in range(2)]
        assert answers[0] == answers[1], "a sampled poll is the same read"
        assert (
            handler.lambda_handler(invocations.status(upload["uploadId"], "wrong"), invocations.Context())["statusCode"]
            == 401
        )
        polls = database.execute("SELECT properties FROM outbox_events WHERE name = 'status_poll'").fetchall()
        assert polls == [({"upload_id": upload["uploadId"], "stage": None, "progress": 0},)]


class TestResult:
    def read(self, http: httpx.Client, result_id: str, upload: Upload) -> httpx.Response:
        return http.get(f"/api/results/{result_id}", headers=upload.auth)

    def test_is_a_presigned_preview(self, http: httpx.Client, stack: LocalStack, finished: Upload, rows: Rows) -> None:
        result_id = status(http, finished).json()["resultId"]
        answer = self.read(http, result_id, finished)
        assert answer.status_code == 200
        body = answer.json()
        assert body.keys() == {"success", "resultId", "previewUrl", "expiresAt", "width", "height"}
        assert (body["success"], body["resultId"]) == (True, result_id)
        assert TIME.fullmatch(body["expiresAt"])
        url = urlsplit(body["previewUrl"])
        assert url.path == f"/{stack.bucket}/results/{result_id}/preview.webp"
        preview = httpx.get(body["previewUrl"])
        assert preview.headers["content-type"] == "image/webp"
        picture = Image.open(BytesIO(preview.content))
        assert (picture.format, picture.size) == ("WEBP", (body["width"], body["height"]))

        stored = row(rows, finished)
        assert stored["preview_url"] == f"results/{result_id}/preview.webp"
        assert re.fullmatch(f"results/{result_id}/full\\.(jpg|png|webp)", stored["result_url"])
        full = body["previewUrl"].replace(stored["preview_url"], stored["result_url"])
        assert httpx.get(full).status_code == 403, "the full size stays private"
        assert httpx.get(full.partition("?")[0]).status_code == 403
        assert httpx.put(body["previewUrl"], content=b"x").status_code == 403

    def test_needs_the_token(self, http: httpx.Client, finished: Upload) -> None:
        result_id = status(http, finished).json()["resultId"]
        missing = http.get(f"/api/results/{result_id}")
        assert_error(missing, 401, "UNAUTHORIZED", "The X-Session-Token header is missing.")
        wrong = self.read(http, result_id, reserve(http))
        assert_error(wrong, 401, "UNAUTHORIZED", "The X-Session-Token does not belong to this upload.")

    def test_unknown(self, http: httpx.Client, finished: Upload) -> None:
        assert_error(self.read(http, "rnothing", finished), 404, "NOT_FOUND", "Result not found.")
        assert_error(self.read(http, finished.id, finished), 404, "NOT_FOUND", "Result not found.")

    def test_not_ready(self, http: httpx.Client, rows: Rows) -> None:
        upload = started(http)
        result_id = wait(http, upload)["resultId"]
        rows.execute("UPDATE uploads SET status = 'processing', progress = 90 WHERE id = %s", (upload.id,))
        answer = self.read(http, result_id, upload)
        assert_error(answer, 409, "NOT_READY", "Your result isn't ready yet.")
        assert answer.headers["retry-after"] == "2"
        assert status(http, upload).json()["resultId"] is None


class TestBodies:
    """Section 0: what is not clean JSON is refused, on every endpoint that reads a body."""

    @pytest.mark.parametrize("path", ["/api/upload", "/api/process"])
    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"{'a': 1}",
            b'{"uploadId": "x"} trailing',
            b"\xef\xbb\xbf{}",
            b'{"size": NaN}',
            b'{"size": -Infinity}',
            b'{"size": 1e999}',
            b'{"uploadId": "x", "uploadId": "y"}',
            b'{"a": {"b": 1, "\\u0062": 2}}',
            b'{"uploadId": "a\\u0000b"}',
            b'{"a\\u0000": 1}',
            b'{"uploadId": "\\ud800"}',
            b'{"uploadId": "\\udc00\\ud800"}',
            b'{"a":' * 33 + b"1" + b"}" * 33,
            b"[" * 5000,
            b'"\x00"',
            b"9" * 5000,
        ],
    )
    def test_400(self, http: httpx.Client, path: str, body: bytes) -> None:
        headers = {"Content-Type": "application/json", "X-Session-Token": "t"}
        answer = http.post(path, content=body, headers=headers)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["code"] == "BAD_REQUEST"
        encoded = http.post(path, content=body, headers={"X-Session-Token": "t"})  # no type: the gateway sends base64
        assert encoded.status_code == 400

    @pytest.mark.parametrize("path", ["/api/upload", "/api/process", "/api/upload/x/confirm"])
    def test_413(self, http: httpx.Client, path: str) -> None:
        body = b'{"a": "' + b"x" * 256 * 1024 + b'"}'
        answer = http.post(path, content=body, headers={"Content-Type": "application/json", "X-Session-Token": "t"})
        assert_error(answer, 413, "BAD_REQUEST", "The request body may have at most 262144 bytes.")

    @pytest.mark.parametrize("path", ["/api/upload", "/api/process"])
    @pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x"])
    def test_415(self, http: httpx.Client, path: str, content_type: str) -> None:
        headers = {"Content-Type": content_type, "X-Session-Token": "t"}
        form = b'--x\r\nContent-Disposition: form-data; name="uploadId"\r\n\r\na\x00b\r\n--x--\r\n'
        answer = http.post(path, content=form, headers=headers)
        assert_error(answer, 415, "BAD_REQUEST", "The request body must be JSON.")

    @pytest.mark.parametrize("body", [b"null", b"[]", b'"x"', b"5", b""])
    def test_json_that_is_no_object_is_422(self, http: httpx.Client, body: bytes) -> None:
        headers = {"Content-Type": "application/json", "X-Session-Token": "t"}
        assert http.post("/api/process", content=body, headers=headers).status_code == 422

    def test_no_request_forges_a_header_or_a_log_line(self, http: httpx.Client, stack: LocalStack) -> None:
        forged = "x\r\nINFO forged=line\r\nSet-Cookie: forged=1"
        answers = [
            http.post("/api/process", json={"uploadId": forged}, headers={"X-Session-Token": "t"}),
            http.post("/api/upload", json={"email": f"a@example.com{forged}", "type": forged}),
            http.post("/api/upload", json={"email": EMAIL, "type": forged}),
            http.get(
                "/api/status/x%0D%0AINFO%20forged%3Dline%0D%0ASet-Cookie:%20forged=1", headers={"X-Session-Token": "t"}
            ),
            http.get("/api/results/%0D%0AINFO%20forged", headers={"X-Session-Token": "t"}),
            http.post("/api/upload/%0AINFO%20forged/confirm"),
        ]
        assert {answer.status_code for answer in answers} <= {404, 415, 422}
        assert not any("set-cookie" in answer.headers for answer in answers)
        assert "forged" not in stack.function_log.read_text()

    @pytest.mark.parametrize("name", ["..%2F..%2Fetc", "%00", "%2e%2e", "'%20OR%201=1--", "%F0%9F%98%80", "a" * 3000])
    def test_strange_ids_are_unknown_ids(self, http: httpx.Client, name: str) -> None:
        token = {"X-Session-Token": "t"}
        for answer in (
            http.get(f"/api/status/{name}", headers=token),
            http.get(f"/api/results/{name}", headers=token),
            http.post(f"/api/upload/{name}/confirm"),
        ):
            assert answer.status_code == 404
            assert answer.json()["error"]["code"] == "NOT_FOUND"


class TestLimits:
    """Ten uploads an hour for one client, on a stack with limits on."""

    def client(self, stack: LocalStack, address: str) -> httpx.Client:
        """A client with an address of its own: all of 127.0.0.0/8 is this machine."""
        return httpx.Client(base_url=stack.url, transport=httpx.HTTPTransport(local_address=address), timeout=30)

    def post(self, http: httpx.Client, **headers: str) -> httpx.Response:
        return http.post("/api/upload", json={"email": EMAIL, "type": "image/png"}, headers=headers)

    def ten_in_one_hour(self, stack: LocalStack, address: str) -> None:
        with self.client(stack, address) as http:
            for number in range(10):
                forged = {"X-Forwarded-For": f"198.51.100.{number}", "Forwarded": "for=198.51.100.1"}
                answer = self.post(http, **forged)
                assert answer.status_code == 201, "a client's headers neither help nor harm"

    def test_the_eleventh_is_refused(self, limited: LocalStack) -> None:
        if datetime.now(UTC).minute == 59 and datetime.now(UTC).second > 50:
            time.sleep(60 - datetime.now(UTC).second)  # windows are fixed: both halves of the test lie in one
        self.ten_in_one_hour(limited, "127.0.0.10")
        with self.client(limited, "127.0.0.10") as http:
            for forged in ({}, {"X-Forwarded-For": "198.51.100.77"}):
                refused = self.post(http, **forged)
                body = refused.json()
                next_allowed_at = body.pop("nextAllowedAt")
                assert refused.status_code == 429
                message = "Too many requests. Please try again later."
                assert body == {"success": False, "error": {"code": "TOO_MANY_REQUESTS", "message": message}}
                seconds = (datetime.fromisoformat(next_allowed_at) - datetime.now(UTC)).total_seconds()
                assert abs(int(refused.headers["retry-after"]) - seconds) < 5
                assert 0 < seconds <= 3600
                assert next_allowed_at.endswith(":00:00.000Z")
        with self.client(limited, "127.0.0.11") as http:
            assert self.post(http).status_code == 201, "another client is not meant"
        with psycopg.connect(limited.database_url, autocommit=True) as database:
            assert database.execute("SELECT count(*) FROM uploads").fetchone() == (11,)
            assert database.execute("SELECT count(*) FROM outbox_events").fetchone() == (22,)
            addresses = database.execute("SELECT string_agg(key, ' ') FROM rate_limits").fetchone()
            assert "127.0.0.10" not in str(addresses), "the table holds no address"
            database.execute(
                "UPDATE rate_limits SET window_start = window_start - interval '1 hour', window_end = now()"
            )
        with self.client(limited, "127.0.0.10") as http:
            assert self.post(http).status_code == 201, "in the next hour"

    def test_a_refusal_or_a_replay_does_not_count(self, limited: LocalStack) -> None:
        with self.client(limited, "127.0.0.20") as http:
            for _ in range(12):
                assert http.post("/api/upload", json={"email": "x", "type": "image/png"}).status_code == 422
                assert http.post("/api/upload", json={"email": EMAIL, "type": "image/gif"}).status_code == 415
                assert self.post(http, **{"Idempotency-Key": "replayed"}).status_code == 201
            for _ in range(9):
                assert self.post(http).status_code == 201

    @pytest.mark.usefixtures("inlet_settings")
    def test_one_subscriber_has_one_ipv6_network(
        self, load_handler: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("UPLOADS_PER_HOUR", "2")
        monkeypatch.delenv("RATE_LIMIT_BYPASS", raising=False)
        handler = load_handler("uploads/create").lambda_handler

        def create(client: str) -> int:
            body = {"email": EMAIL, "type": "image/png"}
            event = invocations.api_event("POST", "/api/upload", json_body=body, client=client)
            return int(handler(event, invocations.Context())["statusCode"])

        assert [create(f"2001:db8:0:1::{host}") for host in ("1", "2", "ffff:3")] == [201, 201, 429]
        assert create("2001:db8:0:2::1") == 201

    def test_an_undeclared_size_is_limited_at_confirmation(self, limited: LocalStack) -> None:
        with self.client(limited, "127.0.0.30") as http:
            upload = reserve(http)
            assert upload.put(b"x" * 1001).status_code == 200
            assert confirm(http, upload).json()["error"]["code"] == "UPLOAD_MISMATCH"


class TestPhotographs:
    """From a phone's file to a preview, through everything."""

    @pytest.mark.parametrize(
        ("media_type", "picture_format", "orientation"),
        [("image/jpeg", "JPEG", 6), ("image/png", "PNG", 1), ("image/webp", "WEBP", 1), ("image/heic", "HEIF", 1)],
    )
    def test_a_photograph_becomes_a_clean_preview(
        self, http: httpx.Client, media_type: str, picture_format: str, orientation: int
    ) -> None:
        content = photographs.photograph(
            photographs.scene(1200, 800), picture_format, orientation=orientation, metadata=True
        )
        upload = started(http, content, media_type)
        body = wait(http, upload)
        assert body["status"] == "completed", body
        result = http.get(f"/api/results/{body['resultId']}", headers=upload.auth).json()
        preview = httpx.get(result["previewUrl"]).content
        picture = Image.open(BytesIO(preview))
        assert picture.size == (1024, 683), "upright, and at most 1024 px"
        assert not any(secret in preview for secret in photographs.SECRETS)
        assert not picture.getexif()
        assert not picture.info.keys() & {"exif", "xmp", "comment", "icc_profile"}
