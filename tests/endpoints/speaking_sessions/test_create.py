"""POST /api/sessions: a recording by form, or the announcement of one that goes straight to the bucket."""

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from local.stack import LocalStack
from tests.support import recordings
from tests.support.recordings import ENCODINGS, Encoding, tone

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
from tests.support.speaking_sessions import MEGABYTE, NOBODY, announce, objects, refusal, row_of, send_form
from tests.support.stacks import Rows


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if recordings.MISSING:
        pytest.skip(f"needs {' and '.join(recordings.MISSING)}")
    return recordings.speak("One small step", tmp_path_factory.mktemp("recordings") / "spoken.wav")


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.name)
def test_a_real_recording_is_kept_as_what_it_is(
    http: httpx.Client, stack: LocalStack, storage: "S3Client", rows: Rows, spoken: Path, encoding: Encoding
) -> None:
    content = recordings.encode(spoken, encoding)
    answer = send_form(http, content, content_type=encoding.declared, topic=" The Moon ", duration="2.25")
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body == {"id": body["id"], "status": "UPLOADED", "createdAt": body["createdAt"], "estimatedWaitSecs": 30}

    row = row_of(rows, body["id"])
    assert (row["status"], row["duration_secs"], row["language"], row["topic"]) == ("UPLOADED", 2.25, "en", "The Moon")
    assert (row["size"], row["content_type"]) == (len(content), encoding.content_type)
    key = f"sessions/{row['user_id']}/{body['id']}/audio.{encoding.extension}"
    stored = storage.get_object(Bucket=stack.bucket, Key=key)
    assert (stored["Body"].read(), stored["ContentType"]) == (content, encoding.content_type)


@pytest.mark.parametrize(
    ("content", "content_type", "fields", "expected"),
    [
        (None, "", {}, (400, "MISSING_AUDIO", "Audio file is required")),
        (tone(), "audio/wav", {"duration": ""}, (400, "INVALID_DURATION", "Valid duration is required")),
        (tone(), "audio/wav", {"duration": "soon"}, (400, "INVALID_DURATION", "Valid duration is required")),
        (tone(), "audio/wav", {"duration": "-1"}, (400, "INVALID_DURATION", "Valid duration is required")),
        (tone(), "audio/wav", {"duration": "NaN"}, (400, "INVALID_DURATION", "Valid duration is required")),
        (tone(), "audio/wav", {"duration": "Infinity"}, (400, "INVALID_DURATION", "Valid duration is required")),
        (tone(), "audio/wav", {"duration": "1e999"}, (400, "INVALID_DURATION", "Valid duration is required")),
        (tone(), "audio/wav", {"duration": "٣"}, (400, "INVALID_DURATION", "Valid duration is required")),
        (tone(), "video/webm", {}, (400, "INVALID_FILE", "File must be an audio file")),
        (tone(), "application/octet-stream", {}, (400, "INVALID_FILE", "File must be an audio file")),
        (b"", "audio/wav", {}, (400, "INVALID_FILE", "File must be an audio file")),
        (b"<html><script>alert(1)</script>", "audio/wav", {}, (400, "INVALID_FILE", "File must be an audio file")),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "audio/webm", {}, (400, "INVALID_FILE", "File must be an audio file")),
        (b"MZ" + bytes(4000), "audio/ogg", {}, (400, "INVALID_FILE", "File must be an audio file")),
    ],
)
def test_a_refused_form_leaves_nothing(
    http: httpx.Client,
    stack: LocalStack,
    storage: "S3Client",
    rows: Rows,
    content: bytes | None,
    content_type: str,
    fields: dict[str, str],
    expected: tuple[int, str, str],
) -> None:
    before = objects(storage, stack)
    assert refusal(send_form(http, content, content_type=content_type, **fields)) == expected
    assert objects(storage, stack) == before
    assert rows.execute("SELECT FROM speaking_sessions").rowcount == 0


@pytest.mark.parametrize("duration", ["0", "0.5", "12", " 12 ", "1e3", "007"])
def test_a_duration_is_any_finite_number_of_seconds(http: httpx.Client, rows: Rows, duration: str) -> None:
    answer = send_form(http, tone(), duration=duration)
    assert answer.status_code == 201, answer.text
    assert row_of(rows, answer.json()["id"])["duration_secs"] == float(duration)


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"language": "klingon!"}, "language"), ({"language": "e" * 40}, "language"), ({"topic": "x" * 201}, "topic")],
)
def test_a_field_that_is_wrong_is_named(http: httpx.Client, fields: dict[str, str], field: str) -> None:
    answer = send_form(http, tone(), **fields)
    assert answer.status_code == 422
    assert answer.json()["code"] == "VALIDATION_ERROR"
    assert [problem["field"] for problem in answer.json()["details"]["fields"]] == [field]


def test_fields_nobody_knows_are_ignored(http: httpx.Client, rows: Rows) -> None:
    answer = send_form(http, tone(), language="pt-BR", status="COMPLETED", userId="1", id=NOBODY, audio_key="x")
    row = row_of(rows, answer.json()["id"])
    assert (row["status"], row["language"], str(row["id"])) == ("UPLOADED", "pt-BR", answer.json()["id"])
    assert answer.json()["id"] != NOBODY


def test_no_body_is_no_audio(http: httpx.Client) -> None:
    assert refusal(http.post("/api/sessions")) == (400, "MISSING_AUDIO", "Audio file is required")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "audio/wav"])
def test_another_kind_of_body_is_unsupported(http: httpx.Client, content_type: str) -> None:
    answer = http.post("/api/sessions", content=b"duration=1", headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "BAD_REQUEST")


def test_a_form_that_a_function_cannot_take_points_to_the_direct_way(http: httpx.Client, rows: Rows) -> None:
    answer = send_form(http, recordings.wav(bytes(4_500_000)))
    assert (answer.status_code, answer.json()["code"]) == (413, "INVALID_FILE")
    assert '{"contentType", "size", "duration"}' in answer.json()["error"]
    assert "uploadUrl" in answer.json()["error"]
    assert send_form(http, recordings.wav(bytes(4_399_000))).status_code == 201
    # Past Lambda's own limit API Gateway answers by itself.
    assert send_form(http, recordings.wav(bytes(6 * MEGABYTE))).status_code == 413


def test_json_keeps_its_own_limit_beside_the_forms(http: httpx.Client) -> None:
    answer = announce(http, padding="x" * 256 * 1024)
    assert (answer.status_code, answer.json()["code"]) == (413, "BAD_REQUEST")


def test_a_repeated_form_is_replayed_though_its_boundary_differs(
    http: httpx.Client, stack: LocalStack, storage: "S3Client", rows: Rows
) -> None:
    content, key = tone(), str(uuid.uuid4())
    first, again = send_form(http, content, idempotency_key=key), send_form(http, content, idempotency_key=key)
    assert first.request.headers["content-type"] != again.request.headers["content-type"]
    assert (again.status_code, again.json()) == (201, first.json())
    assert rows.execute("SELECT FROM speaking_sessions").rowcount == 1
    assert send_form(http, tone(0.2), idempotency_key=key).json()["code"] == "IDEMPOTENCY_MISMATCH"


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"size": 50 * MEGABYTE + 1}, (413, "INVALID_FILE", "File size exceeds 50MB limit")),
        ({"contentType": None}, (400, "MISSING_AUDIO", "Audio file is required")),
        ({"contentType": "video/webm"}, (400, "INVALID_FILE", "File must be an audio file")),
        ({"contentType": "audio/../../x"}, (400, "INVALID_FILE", "File must be an audio file")),
        ({"contentType": ["audio/webm"]}, (400, "INVALID_FILE", "File must be an audio file")),
        ({"duration": None}, (400, "INVALID_DURATION", "Valid duration is required")),
        ({"duration": "1"}, (400, "INVALID_DURATION", "Valid duration is required")),
        ({"duration": True}, (400, "INVALID_DURATION", "Valid duration is required")),
        ({"duration": -0.1}, (400, "INVALID_DURATION", "Valid duration is required")),
        ({"duration": 10**400}, (400, "INVALID_DURATION", "Valid duration is required")),
        ({"size": 0}, (422, "VALIDATION_ERROR", "Some fields are missing or wrong.")),
        ({"size": 1.5}, (422, "VALIDATION_ERROR", "Some fields are missing or wrong.")),
        ({"size": None}, (422, "VALIDATION_ERROR", "Some fields are missing or wrong.")),
        ({"language": 1}, (422, "VALIDATION_ERROR", "Some fields are missing or wrong.")),
        ({"topic": {}}, (422, "VALIDATION_ERROR", "Some fields are missing or wrong.")),
    ],
)
def test_an_announcement_that_cannot_be_is_refused(
    http: httpx.Client, rows: Rows, members: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    assert refusal(announce(http, **members)) == expected
    assert rows.execute("SELECT FROM speaking_sessions").rowcount == 0


@pytest.mark.parametrize("body", ['{"duration": NaN}', '{"size": 1, "size": 2}', '{"topic": "\\u0000"}', "{", "\xff"])
def test_json_is_strict(http: httpx.Client, body: str) -> None:
    answer = http.post("/api/sessions", content=body.encode("latin-1"), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")


def test_a_body_that_is_no_object_is_refused(http: httpx.Client) -> None:
    assert http.post("/api/sessions", json=["audio"]).status_code == 422
