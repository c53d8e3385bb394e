"""POST /api/process: the workflow starts, once, for whoever holds the token."""

import json
import time
from typing import Any

import httpx
import pytest

from local.stack import LocalStack
from tests.support.image_jobs import UNKNOWN, assert_error, confirmed, process, reserve, row, started, status, wait
from tests.support.stacks import Rows


def test_starts_the_workflow_and_waits_for_nothing(http: httpx.Client, rows: Rows, stack: LocalStack) -> None:
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


def test_needs_the_token(http: httpx.Client) -> None:
    upload, other = confirmed(http), reserve(http)
    missing = http.post("/api/process", json={"uploadId": upload.id})
    assert_error(missing, 401, "UNAUTHORIZED", "The X-Session-Token header is missing.")
    for token in (other.token, upload.token + "x", upload.token[:-1], upload.token.swapcase()):
        wrong = http.post("/api/process", json={"uploadId": upload.id}, headers={"X-Session-Token": token})
        assert_error(wrong, 401, "UNAUTHORIZED", "The X-Session-Token does not belong to this upload.")
    assert status(http, upload).json()["status"] == "pending"


def test_the_token_counts_only_in_its_header(http: httpx.Client) -> None:
    upload = confirmed(http)
    body = {"uploadId": upload.id, "sessionToken": upload.token, "X-Session-Token": upload.token}
    answer = http.post("/api/process", params={"sessionToken": upload.token}, json=body)
    assert answer.status_code == 401
    http.cookies.set("X-Session-Token", upload.token)
    assert http.post("/api/process", json=body).status_code == 401


def test_unknown(http: httpx.Client) -> None:
    assert_error(process(http, UNKNOWN), 404, "NOT_FOUND", "Upload not found. Please try again.")


def test_before_confirmation(http: httpx.Client) -> None:
    upload = reserve(http)
    assert_error(process(http, upload), 409, "NOT_CONFIRMED", "Please confirm the upload first.")
    upload.put()
    assert_error(process(http, upload), 409, "NOT_CONFIRMED", "Please confirm the upload first.")


def test_twice(http: httpx.Client, rows: Rows) -> None:
    upload = started(http)
    wait(http, upload)
    message = "This upload is already being processed."
    assert_error(process(http, upload), 409, "ALREADY_PROCESSING", message, status="completed")
    rows.execute("UPDATE uploads SET status = 'processing' WHERE id = %s", (upload.id,))
    assert_error(process(http, upload), 409, "ALREADY_PROCESSING", message, status="processing")


@pytest.mark.parametrize("body", [{}, {"uploadId": ""}, {"uploadId": "x" * 65}, {"uploadId": 5}, {"uploadId": None}])
def test_422(http: httpx.Client, body: dict[str, Any]) -> None:
    answer = http.post("/api/process", json=body, headers={"X-Session-Token": "t"})
    assert answer.status_code == 422
    assert [field["field"] for field in answer.json()["fields"]] == ["uploadId"]


def test_a_failed_job_is_processed_again_three_times_in_all(http: httpx.Client, rows: Rows) -> None:
    upload = started(http, b"no picture")
    for attempt in (1, 2, 3):
        assert wait(http, upload)["status"] == "failed"
        assert row(rows, upload)["attempt"] == attempt
        rows.execute("UPDATE uploads SET final = false WHERE id = %s", (upload.id,))  # as if our side had failed
        answer = process(http, upload)
        if attempt < 3:
            assert answer.status_code == 202
            assert answer.json()["workflowRunId"].endswith(f":{upload.id}-{attempt + 1}")
            during = status(http, upload).json()
            assert during["status"] == "failed" or "errorMessage" not in during
    message = "This upload could not be processed. Please upload the photo again."
    assert_error(answer, 409, "ALREADY_PROCESSING", message, status="failed")
