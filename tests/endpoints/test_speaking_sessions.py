"""Speaking sessions over HTTP: API Gateway's stand-in, one function per endpoint, real Postgres, real S3."""

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import httpx
import psycopg
import pytest
from botocore.exceptions import ClientError
from psycopg.rows import dict_row

from local.stack import LocalStack
from tests.support import recordings
from tests.support.invocations import api_event
from tests.support.recordings import ENCODINGS, Encoding, tone

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MEGABYTE = 1024 * 1024
DEV_USER = "dev-user-00000000-0000-0000-0000-000000000001"
OTHER_USER = "other-user-99999999-9999-9999-9999-999999999999"
NOBODY = "00000000-0000-4000-8000-000000000000"

type Rows = psycopg.Connection[dict[str, Any]]


@pytest.fixture
def rows(stack: LocalStack) -> Iterator[Rows]:
    """The stack's database, with nobody in it yet."""
    with psycopg.connect(stack.database_url, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("TRUNCATE users, speaking_sessions, object_deletions CASCADE")
        yield connection


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if recordings.MISSING:
        pytest.skip(f"needs {' and '.join(recordings.MISSING)}")
    return recordings.speak("One small step", tmp_path_factory.mktemp("recordings") / "spoken.wav")


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


# By form


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


# Straight to the bucket


def test_fifty_megabytes_go_straight_to_the_bucket(
    http: httpx.Client, rows: Rows, storage: "S3Client", stack: LocalStack
) -> None:
    size = 50 * MEGABYTE
    content = recordings.wav(bytes(size - 44))
    assert len(content) == size
    announced = announce(http, contentType="AUDIO/WAV; codecs=1", size=size, language="de", topic="Mond").json()
    assert announced["status"] == "CREATED"
    assert announced["headers"] == {"Content-Type": "audio/wav", "If-None-Match": "*"}
    path = f"/api/sessions/{announced['id']}/complete"

    early = http.post(path)
    assert (early.status_code, early.json()["code"], early.headers["retry-after"]) == (409, "NOT_UPLOADED", "1")
    assert http.get(f"/api/sessions/{announced['id']}").json()["audioUrl"] is None

    assert put(announced, content + b"x").status_code == 403
    assert put(announced, content).status_code == 200
    assert put(announced, content).status_code == 412
    completed = http.post(path)
    assert completed.status_code == 200
    assert completed.json() == {
        "id": announced["id"],
        "status": "UPLOADED",
        "createdAt": announced["createdAt"],
        "estimatedWaitSecs": 30,
    }
    assert http.post(path).json() == completed.json()
    row = row_of(rows, announced["id"])
    assert row["audio_key"] == f"sessions/{row['user_id']}/{row['id']}/audio.wav"
    assert storage.head_object(Bucket=stack.bucket, Key=row["audio_key"])["ContentLength"] == size


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


@pytest.mark.parametrize(
    ("declared", "content"),
    [("audio/wav", b"<html>" + bytes(94)), ("audio/webm", tone()), ("audio/ogg", b"OggX" + bytes(96))],
)
def test_what_is_not_the_announced_recording_goes(
    http: httpx.Client, rows: Rows, storage: "S3Client", stack: LocalStack, declared: str, content: bytes
) -> None:
    announced = announce(http, contentType=declared, size=len(content)).json()
    key = row_of(rows, announced["id"])["audio_key"]
    assert put(announced, content).status_code == 200
    refused = http.post(f"/api/sessions/{announced['id']}/complete")
    assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_FILE")
    assert objects(storage, stack, key) == []
    again = http.post(f"/api/sessions/{announced['id']}/complete")
    assert refusal(again) == (404, "SESSION_NOT_FOUND", "Session not found")


# Reading


def test_the_detail_has_all_that_is_known(http: httpx.Client, rows: Rows) -> None:
    content = tone()
    session_id = send_form(http, content, topic="Moon", language="en-GB").json()["id"]
    bare = http.get(f"/api/sessions/{session_id}").json()
    assert (bare["transcript"], bare["insights"]) == (None, [])

    rows.execute(
        "INSERT INTO transcripts (session_id, text, language, segments) VALUES (%s, 'One small step', 'en', %s)",
        [session_id, json.dumps([{"startSecs": 0, "endSecs": 1.5, "text": "One small step"}])],
    )
    for severity in ("medium", "critical", "low", "high"):
        rows.execute(
            "INSERT INTO insights (session_id, category, severity, message, suggestion)"
            " VALUES (%s, 'pace', %s, %s, 'Pause')",
            [session_id, severity, f"{severity} pace"],
        )
    detail = http.get(f"/api/sessions/{session_id}").json()
    assert detail["transcript"]["text"] == "One small step"
    assert detail["transcript"]["segments"] == [{"startSecs": 0, "endSecs": 1.5, "text": "One small step"}]
    assert [insight["severity"] for insight in detail["insights"]] == ["critical", "high", "medium", "low"]
    assert {name: detail["insights"][0][name] for name in ("category", "message", "suggestion")} == {
        "category": "pace",
        "message": "critical pace",
        "suggestion": "Pause",
    }
    times = [detail["createdAt"], detail["updatedAt"], detail["transcript"]["createdAt"]]
    assert all(len(moment) == 24 and moment.endswith("Z") for moment in times)
    known = ("id", "status", "durationSecs", "language", "topic")
    assert [detail[name] for name in known] == [session_id, "UPLOADED", 1.5, "en-GB", "Moon"]

    heard = httpx.get(detail["audioUrl"])
    assert (heard.content, heard.headers["content-type"]) == (content, "audio/wav")
    assert heard.headers["content-disposition"] == f'attachment; filename="recording-{session_id}.wav"'

    assert http.delete(f"/api/sessions/{session_id}").json() == {"ok": True}
    assert rows.execute("SELECT session_id FROM transcripts UNION SELECT session_id FROM insights").rowcount == 0


def test_a_user_nobody_knows_has_no_sessions(http: httpx.Client, rows: Rows) -> None:
    assert http.get("/api/sessions").json() == {"sessions": [], "total": 0, "page": 1, "limit": 10}
    for path in (f"/api/sessions/{NOBODY}", "/api/sessions/no-uuid"):
        assert refusal(http.get(path)) == (404, "USER_NOT_FOUND", "User not found")
        assert refusal(http.delete(path)) == (404, "USER_NOT_FOUND", "User not found")
        assert refusal(http.post(f"{path}/complete")) == (404, "USER_NOT_FOUND", "User not found")
    assert rows.execute("SELECT FROM users").rowcount == 0


def test_somebody_elses_session_is_as_unknown_as_none(http: httpx.Client, stack: LocalStack, rows: Rows) -> None:
    announcement = {"contentType": "audio/wav", "size": 100, "duration": 1}
    theirs = as_user(
        stack, "SpeakingSessionsCreateFunction", "POST", "/api/sessions", OTHER_USER, json_body=announcement
    )
    their_id = json.loads(theirs["body"])["id"]
    recorded(http)
    answers = []
    for session_id in (their_id, NOBODY, "no-uuid", f"{{{their_id}}}", their_id.replace("-", "")):
        path = f"/api/sessions/{session_id}"
        answers += [http.get(path), http.delete(path), http.post(f"{path}/complete")]
    assert {(answer.status_code, answer.text) for answer in answers} == {
        (404, '{"error":"Session not found","code":"SESSION_NOT_FOUND"}')
    }
    assert row_of(rows, their_id)["status"] == "CREATED"
    mine = as_user(stack, "SpeakingSessionsReadFunction", "GET", f"/api/sessions/{their_id.upper()}", OTHER_USER)
    assert mine["statusCode"] == 200


def test_pages_are_newest_first(http: httpx.Client, rows: Rows) -> None:
    ids = [recorded(http) for _ in range(5)]
    first = http.get("/api/sessions?page=1&limit=2").json()
    last = http.get("/api/sessions", params={"page": 3, "limit": 2}).json()
    assert (first["total"], first["page"], first["limit"]) == (5, 1, 2)
    assert [session["id"] for session in first["sessions"]] == [ids[4], ids[3]]
    assert (last["total"], [session["id"] for session in last["sessions"]]) == (5, [ids[0]])
    assert set(first["sessions"][0]) == {
        *("id", "status", "durationSecs", "language", "topic", "createdAt", "updatedAt"),
    }
    beyond = http.get("/api/sessions?page=4&limit=2").json()
    assert (beyond["sessions"], beyond["total"]) == ([], 5)
    assert http.get("/api/sessions?limit=100").status_code == 200


@pytest.mark.parametrize("name", ["page", "limit"])
@pytest.mark.parametrize(
    "value", ["0", "-1", "1000000000", "1e9", "text", "1.5", "", "+1", " 1", "1%00", "٣", "9" * 5000]
)
def test_abuse_of_pages_is_refused(http: httpx.Client, name: str, value: str) -> None:
    answer = http.get(f"/api/sessions?{name}={value}")
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")


def test_a_limit_has_an_end(http: httpx.Client) -> None:
    assert http.get("/api/sessions?limit=101").status_code == 400
    assert http.get("/api/sessions?limit=1&limit=2").status_code == 400


# Who


def test_nobody_gets_in_without_a_token(start_stack: Callable[..., LocalStack]) -> None:
    stack = start_stack(AUTH_BYPASS="false")
    with httpx.Client(base_url=stack.url) as http:
        path = f"/api/sessions/{NOBODY}"
        answers = [
            send_form(http, tone()),
            announce(http),
            http.get("/api/sessions"),
            http.get(path),
            http.delete(path),
            http.post(f"{path}/complete"),
        ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(401, "UNAUTHORIZED")}
    # Nor does a function trust a request that came past the gateway's authorizer.
    for function, method in (("SpeakingSessionsListFunction", "GET"), ("SpeakingSessionsCreateFunction", "POST")):
        outcome = stack.sandboxes.invoke(function, api_event(method, "/api/sessions", json_body={}))
        assert outcome.payload["statusCode"] == 401
        assert json.loads(outcome.payload["body"]) == {"error": "Unauthorized", "code": "UNAUTHORIZED"}


def test_twenty_first_requests_make_one_user(stack: LocalStack, rows: Rows) -> None:
    def create(_: int) -> int:
        announcement = {"contentType": "audio/webm", "size": 100, "duration": 1}
        answer = as_user(
            stack, "SpeakingSessionsCreateFunction", "POST", "/api/sessions", "new-user", json_body=announcement
        )
        status: int = answer["statusCode"]
        return status

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(create, range(20))) == [201] * 20
    users = rows.execute("SELECT external_id, email, display_name FROM users").fetchall()
    assert users == [{"external_id": "new-user", "email": "ada@example.com", "display_name": "Ada"}]
    assert rows.execute("SELECT FROM speaking_sessions").rowcount == 20


def test_a_user_keeps_what_a_later_token_does_not_tell(stack: LocalStack, http: httpx.Client, rows: Rows) -> None:
    as_user(
        stack,
        "SpeakingSessionsCreateFunction",
        "POST",
        "/api/sessions",
        DEV_USER,
        json_body={"contentType": "audio/webm", "size": 100, "duration": 1},
    )
    recorded(http)  # under the bypass there are no claims
    assert rows.execute("SELECT email, display_name FROM users").fetchall() == [
        {"email": "ada@example.com", "display_name": "Ada"}
    ]


# Deleting


def test_a_deleted_session_takes_its_recording_along(
    http: httpx.Client, stack: LocalStack, storage: "S3Client", rows: Rows
) -> None:
    session_id = recorded(http)
    key = row_of(rows, session_id)["audio_key"]
    assert http.delete(f"/api/sessions/{session_id}").json() == {"ok": True}
    with pytest.raises(ClientError, match="404"):
        storage.head_object(Bucket=stack.bucket, Key=key)
    for answer in (http.get(f"/api/sessions/{session_id}"), http.delete(f"/api/sessions/{session_id}")):
        assert refusal(answer) == (404, "SESSION_NOT_FOUND", "Session not found")


def test_the_audio_url_names_nothing_a_client_chose(http: httpx.Client) -> None:
    answer = send_form(http, tone(), filename='"; x="../../etc/passwd\r\nEvil: 1', topic='"\r\nEvil: 1')
    url = unquote(http.get(f"/api/sessions/{answer.json()['id']}").json()["audioUrl"])
    assert "passwd" not in url
    assert "Evil" not in url
    assert urlsplit(url).path.endswith(f"/{answer.json()['id']}/audio.wav")
