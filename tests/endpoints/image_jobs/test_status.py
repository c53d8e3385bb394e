"""GET /api/status/{jobId}: what a client that polls is told."""

import json
import re
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import psycopg
import pytest

from inlet.image_jobs.rows import GENERATED_PROGRESS, PROGRESS
from tests.support import invocations
from tests.support.image_jobs import (
    TIME,
    UNKNOWN,
    Upload,
    assert_error,
    confirm,
    confirmed,
    process,
    reserve,
    started,
    status,
    wait,
)


def test_before_work_starts(http: httpx.Client) -> None:
    upload = reserve(http)
    answer = status(http, upload)
    assert answer.status_code == 200
    body = answer.json()
    assert TIME.fullmatch(body.pop("updatedAt"))
    assert body.pop("revision") == 0
    assert body == {"success": True, "status": "pending", "stage": None, "progress": 0, "resultId": None}
    assert answer.headers["retry-after"] == "2"


def test_completed(http: httpx.Client, finished: Upload) -> None:
    answer = status(http, finished)
    body = answer.json()
    assert body.pop("updatedAt")
    assert re.fullmatch(r"r[0-9a-z]{23}", body.pop("resultId"))
    assert answer.headers["etag"] == f'"{body.pop("revision")}"'
    assert TIME.fullmatch(body.pop("deletesAt"))
    assert body == {"success": True, "status": "completed", "stage": "complete", "progress": 100}
    assert "retry-after" not in answer.headers


def test_failed_says_why_and_keeps_its_progress(http: httpx.Client) -> None:
    upload = started(http, b"no picture at all")
    body = wait(http, upload)
    assert (body["status"], body["stage"], body["progress"], body["resultId"]) == ("failed", "failed", 10, None)
    assert body["errorMessage"] == "We can't read this kind of file. Please choose a JPEG, PNG, WebP or HEIC photo."
    assert "retry-after" not in status(http, upload).headers


def test_progress_only_rises(http: httpx.Client) -> None:
    upload = confirmed(http)
    process(http, upload)
    seen: list[tuple[str, int, str]] = []
    revisions: list[int] = []
    ranks = ["", *PROGRESS]
    body: dict[str, Any] = {"status": "pending"}
    while body["status"] not in ("completed", "failed"):
        body = status(http, upload).json()
        seen.append((body["stage"] or "", body["progress"], body["updatedAt"]))
        revisions.append(body["revision"])
        assert (body["resultId"] is None) == (body["status"] != "completed")
    assert [ranks.index(stage) for stage, _, _ in seen] == sorted(ranks.index(stage) for stage, _, _ in seen)
    assert [progress for _, progress, _ in seen] == sorted(progress for _, progress, _ in seen)
    assert [moment for _, _, moment in seen] == sorted(moment for _, _, moment in seen)
    assert {progress for _, progress, _ in seen} <= {0, GENERATED_PROGRESS, *PROGRESS.values()}
    assert seen[-1][:2] == ("complete", 100)
    assert len(set(zip(revisions, seen, strict=True))) == len(set(revisions)), "a revision names one state"
    assert revisions == sorted(revisions)


def test_unchanged_is_304(http: httpx.Client, finished: Upload) -> None:
    upload = reserve(http)
    etag = status(http, upload).headers["etag"]
    assert etag == '"0"', "strong: the revision"
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


def test_needs_the_token(http: httpx.Client, finished: Upload) -> None:
    missing = http.get(f"/api/status/{finished.id}")
    assert_error(missing, 401, "UNAUTHORIZED", "The X-Session-Token header is missing.")
    other = reserve(http)
    wrong = http.get(f"/api/status/{finished.id}", headers=other.auth)
    assert_error(wrong, 401, "UNAUTHORIZED", "The X-Session-Token does not belong to this upload.")
    assert "etag" not in wrong.headers


def test_unknown(http: httpx.Client) -> None:
    assert_error(status(http, UNKNOWN), 404, "NOT_FOUND", "Upload not found. Please try again.")


@pytest.mark.usefixtures("inlet_settings")
def test_a_tenth_of_the_polls_is_an_event_once_a_minute_for_each_state(
    database: psycopg.Connection[Any],
    load_handler: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    created = load_handler("image_jobs/create").lambda_handler(invocations.create(), invocations.Context())
    upload = json.loads(created["body"])
    handler = load_handler("image_jobs/status")

    def poll(draw: float, token: str = upload["sessionToken"]) -> dict[str, Any]:
        monkeypatch.setattr(handler, "_dice", SimpleNamespace(random=lambda: draw))
        answer: dict[str, Any] = handler.lambda_handler(
            invocations.status(upload["uploadId"], token), invocations.Context()
        )
        return answer

    def recorded() -> list[Any]:
        return database.execute("SELECT properties FROM outbox_events WHERE name = 'status_poll'").fetchall()

    poll(0.0)
    assert recorded() == [], "nobody has started this job: its polls are worth nothing"
    database.execute("UPDATE uploads SET status = 'processing', attempt = 1, stage = 'validating', progress = 10")
    assert poll(0.1)["body"] == poll(0.0999)["body"], "a sampled poll is the same read"
    assert poll(0.0, "wrong")["statusCode"] == 401
    for _ in range(50):
        poll(0.0)
    validating = {"upload_id": upload["uploadId"], "stage": "validating", "progress": 10}
    assert 1 <= len(recorded()) <= 2, "two where a minute ended meanwhile"
    assert all(properties == validating for (properties,) in recorded())
    database.execute("UPDATE uploads SET stage = 'generating', progress = 30")
    poll(0.0)
    assert any(properties["stage"] == "generating" for (properties,) in recorded())
