"""Upload sessions over HTTP, by the contract's test ids where it has them; rows and bucket are looked at each time."""

import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from inlet.downloads import content_disposition
from local.stack import LocalStack
from tests.support.upload_sessions import (
    DEV_USER,
    MB,
    PART,
    SESSIONS,
    File,
    Session,
    create,
    declare,
    digest,
    parts_list,
    pdf,
    png,
    put_parts,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

type Rows = psycopg.Connection[dict[str, Any]]

MISSING = {"error": "Upload session not found.", "code": "NOT_FOUND"}


@pytest.fixture
def rows(stack: LocalStack) -> Iterator[Rows]:
    with psycopg.connect(stack.database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def bucket_of(stack: LocalStack) -> "Bucket":
    return Bucket(stack.storage, stack.bucket)


class Bucket:
    """What the bucket has of one session."""

    def __init__(self, storage: "S3Client", name: str) -> None:
        self._storage = storage
        self._name = name

    def uploads(self, session: Session) -> list[str]:
        listed = self._storage.list_multipart_uploads(Bucket=self._name, Prefix=f"files/{session.id}/")
        return [upload["UploadId"] for upload in listed.get("Uploads", [])]

    def objects(self, session: Session) -> list[str]:
        listed = self._storage.list_objects_v2(Bucket=self._name, Prefix=f"files/{session.id}/")
        return [stored["Key"] for stored in listed.get("Contents", [])]

    def content(self, key: str) -> bytes:
        return self._storage.get_object(Bucket=self._name, Key=key)["Body"].read()

    def put(self, key: str, content: bytes) -> None:
        self._storage.put_object(Bucket=self._name, Key=key, Body=content)


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The details of an error answer in the family's envelope."""
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert body["error"]
    details: dict[str, Any] = body.get("details", {})
    return details


def session_row(rows: Rows, session: Session) -> dict[str, Any]:
    row = rows.execute("SELECT * FROM upload_sessions WHERE id = %s", (session.id,)).fetchone()
    assert row is not None
    return row


def file_rows(rows: Rows, session: Session) -> list[dict[str, Any]]:
    statement = "SELECT * FROM upload_session_files WHERE session_id = %s ORDER BY position"
    return rows.execute(statement, (session.id,)).fetchall()


def expire(rows: Rows, session: Session) -> None:
    rows.execute("UPDATE upload_sessions SET expires_at = now() - interval '1 second' WHERE id = %s", (session.id,))


def give_away(rows: Rows, session: Session) -> None:
    rows.execute("UPDATE upload_sessions SET user_id = 'somebody else' WHERE id = %s", (session.id,))


def events(rows: Rows, session: Session) -> list[tuple[str, dict[str, Any], str]]:
    statement = "SELECT * FROM outbox_events WHERE properties ->> 'session_id' = %s ORDER BY occurred_at"
    found = rows.execute(statement, (session.id,)).fetchall()
    return [(row["name"], row["properties"], row["distinct_id"]) for row in found]


# POST …/sessions


def test_cs_hp_001_one_instruction(http: httpx.Client, rows: Rows) -> None:
    """CS-HP-001."""
    file = pdf(12 * MB)
    response = declare(http, file)
    assert response.status_code == 201
    body = response.json()
    assert body.keys() == {"sessionId", "partSizeBytes", "expiresAt", "duplicates", "companionPath"}
    assert body["partSizeBytes"] == 5242880
    assert body["duplicates"] == []
    row = session_row(rows, Session(http, body["sessionId"]))
    assert (row["user_id"], row["status"], row["part_size_bytes"]) == (DEV_USER, "active", 5242880)
    assert row["expires_at"] - row["created_at"] == timedelta(minutes=15)
    assert body["expiresAt"] == row["expires_at"].strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def test_cs_hp_004_all_categories(http: httpx.Client, rows: Rows) -> None:
    """CS-HP-004."""
    files = [
        pdf(),
        *(png(mime_type=kind, filename=kind) for kind in ("image/jpeg", "image/png", "image/webp", "image/heic")),
        *(
            parts_list(mime_type=kind, filename=kind)
            for kind in ("text/csv", "text/plain", "application/json", "application/xml", "text/xml")
        ),
    ]
    session = create(http, *files)
    statement = "SELECT category, mime_type FROM upload_session_declarations WHERE session_id = %s ORDER BY position"
    declared = [(row["category"], row["mime_type"]) for row in rows.execute(statement, (session.id,))]
    assert declared == [(file.category, file.mime_type) for file in files]
    assert file_rows(rows, session) == []


@pytest.mark.parametrize("count", [0, 51])
def test_cs_val_003_between_1_and_50_files(http: httpx.Client, count: int) -> None:
    """CS-VAL-003: an empty list; and one too many."""
    details = refused(declare(http, *[pdf()] * count), 422, "VALIDATION_ERROR")
    assert [problem["field"] for problem in details["fields"]] == ["files"]


def test_fifty_files_are_fine(http: httpx.Client) -> None:
    assert declare(http, *[pdf()] * 50).status_code == 201


def test_cs_val_004_no_instruction(http: httpx.Client) -> None:
    """CS-VAL-004."""
    refused(declare(http, png(), parts_list()), 400, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("file", "limit"), [(pdf(), 50 * MB), (png(), 10 * MB), (parts_list(), 5 * MB)], ids=["pdf", "image", "parts-list"]
)
def test_cs_lim_001_a_file_over_its_categorys_size(http: httpx.Client, file: File, limit: int) -> None:
    """CS-LIM-001."""

    def of_size(size: int) -> httpx.Response:
        return declare(http, pdf(), File(b"", file.category, file.filename, file.mime_type, size=size))

    assert of_size(limit).status_code == 201
    assert refused(of_size(limit + 1), 413, "BAD_REQUEST") == {"index": 1}


@pytest.mark.parametrize(
    "file",
    [
        pdf(mime_type="image/png"),
        png(mime_type="application/pdf"),
        png(mime_type="image/svg+xml"),
        parts_list(mime_type="text/html"),
        pdf(mime_type="APPLICATION/PDF "),
    ],
)
def test_cs_lim_006_a_mime_type_not_of_the_category(http: httpx.Client, file: File) -> None:
    """CS-LIM-006."""
    refused(declare(http, pdf(), file), 415, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"size": 0}, "files.0.size"),
        ({"size": -1}, "files.0.size"),
        ({"size": "12"}, "files.0.size"),
        ({"size": 1.5}, "files.0.size"),
        ({"size": True}, "files.0.size"),
        ({"size": 2**63}, "files.0.size"),
        ({"filename": ""}, "files.0.filename"),
        ({"filename": "a" * 256}, "files.0.filename"),
        ({"category": "virus"}, "files.0.category"),
        ({"mimeType": None}, "files.0.mimeType"),
        ({"sha256": "abc"}, "files.0.sha256"),
    ],
)
def test_a_bad_field_is_named(http: httpx.Client, change: dict[str, Any], field: str) -> None:
    response = http.post(SESSIONS, json={"files": [pdf().declared | change]})
    assert field in [problem["field"] for problem in refused(response, 422, "VALIDATION_ERROR")["fields"]]


def test_unknown_fields_are_ignored(http: httpx.Client, rows: Rows) -> None:
    body = {
        "files": [pdf().declared | {"key": "../x", "status": "completed"}],
        "userId": "other",
        "status": "completed",
    }
    response = http.post(SESSIONS, json=body)
    row = session_row(rows, Session(http, response.json()["sessionId"]))
    assert (row["user_id"], row["status"]) == (DEV_USER, "active")


@pytest.mark.parametrize("body", ["{", '{"files": NaN}', '{"files": [], "files": []}', '{"files": ["\\u0000"]}'])
def test_a_body_that_is_no_strict_json(http: httpx.Client, body: str) -> None:
    refused(http.post(SESSIONS, content=body, headers={"content-type": "application/json"}), 400, "BAD_REQUEST")


def test_the_same_idempotency_key_creates_one_session(http: httpx.Client, rows: Rows) -> None:
    file, key = pdf(), str(uuid.uuid4())
    first, second = (declare(http, file, **{"Idempotency-Key": key}) for _ in range(2))
    assert first.json() == second.json()
    refused(declare(http, pdf(5), **{"Idempotency-Key": key}), 422, "IDEMPOTENCY_MISMATCH")
    again = http.post(
        f"{SESSIONS}/{first.json()['sessionId']}/files", json=file.declared, headers={"Idempotency-Key": key}
    )
    assert again.status_code == 201, "a key is one endpoint's"


def test_enh5_a_file_sent_before_is_named_and_may_be_skipped(http: httpx.Client) -> None:
    """enh5: by size and SHA-256, of the same user; without sending it, the new session can be finalized."""
    content = pdf(3000).content
    file = File(content, sha256=digest(content))
    earlier = create(http, file)
    file_id = earlier.send(file)["fileId"]
    assert earlier.finalize().status_code == 200

    renamed, other = File(content, filename="again.pdf", sha256=digest(content)), pdf(3000, sha256=digest(b"other"))
    response = declare(http, other, renamed)
    [duplicate] = response.json()["duplicates"]
    assert (duplicate["index"], duplicate["fileId"]) == (1, file_id)
    download = httpx.get(duplicate["fileUrl"])
    assert (download.content, download.headers["content-disposition"].split(";")[1]) == (
        content,
        ' filename="again.pdf"',
    )

    session = create(http, renamed)
    assert session.read().json()["files"][0]["status"] == "duplicate"
    [finalized] = session.finalize().raise_for_status().json()["files"]
    assert (finalized["fileId"], httpx.get(finalized["fileUrl"]).content) == (file_id, content)


def test_enh5_a_duplicate_in_an_unfinished_session_is_named_but_not_relied_on(http: httpx.Client, rows: Rows) -> None:
    content = pdf().content
    file = File(content, sha256=digest(content))
    earlier = create(http, file)
    earlier.send(file)
    response = declare(http, file)
    assert [duplicate["index"] for duplicate in response.json()["duplicates"]] == [0]
    session = Session(http, response.json()["sessionId"])
    refused(session.finalize(), 400, "BAD_REQUEST")
    assert earlier.abort().status_code == 204
    assert session.read().json()["files"][0]["status"] == "declared"
    session.send(file)
    assert session.finalize().status_code == 200


def test_enh5_another_users_file_is_no_duplicate(http: httpx.Client, rows: Rows) -> None:
    content = pdf().content
    file = File(content, sha256=digest(content))
    theirs = create(http, file)
    theirs.send(file)
    rows.execute("UPDATE upload_session_declarations SET user_id = 'other' WHERE session_id = %s", (theirs.id,))
    give_away(rows, theirs)
    assert declare(http, file).json()["duplicates"] == []


# POST …/files


def test_rf_hp_001_register(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    """RF-HP-001; enh2: all parts are signed in the same answer."""
    file = pdf(11 * MB)
    session = create(http, file)
    response = session.register(file)
    assert response.status_code == 201
    body = response.json()
    [row] = file_rows(rows, session)
    assert (str(row["id"]), row["multipart_upload_id"]) == (body["fileId"], body["uploadId"])
    assert (row["key"], row["status"]) == (f"files/{session.id}/{body['fileId']}", "registered")
    assert bucket_of.uploads(session) == [body["uploadId"]]
    assert [(part["partNumber"], part["size"]) for part in body["parts"]] == [(1, PART), (2, PART), (3, MB)]


def test_gap3_the_same_file_again_gets_the_first_answer(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    """gap3 (the race is in tests/integration): 200, the same file and upload, fresh URLs of the same parts."""
    file = pdf()
    session = create(http, file)
    first, second = session.register(file), session.register(file)
    assert (first.status_code, second.status_code) == (201, 200)
    assert [second.json()[name] for name in ("fileId", "uploadId")] == [
        first.json()[name] for name in ("fileId", "uploadId")
    ]
    assert len(file_rows(rows, session)) == len(bucket_of.uploads(session)) == 1
    assert put_parts(second.json()["parts"], file)


def test_a_completed_file_registered_again_has_nothing_left_to_send(http: httpx.Client) -> None:
    file = pdf()
    session = create(http, file)
    completed = session.send(file)
    again = session.register(file)
    assert (again.status_code, again.json()["fileId"], again.json()["parts"]) == (200, completed["fileId"], [])


def test_files_declared_alike_are_files_of_their_own(http: httpx.Client, rows: Rows) -> None:
    file = pdf()
    session = create(http, file, file)
    answers = [session.register(file) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 200]
    assert len({answer.json()["fileId"] for answer in answers}) == len(file_rows(rows, session)) == 2


@pytest.mark.parametrize(
    "change", [{"size": 999}, {"filename": "other.pdf"}, {"mimeType": "image/png"}, {"sha256": digest(b"")}]
)
def test_gap7_only_declared_files(http: httpx.Client, rows: Rows, bucket_of: Bucket, change: dict[str, Any]) -> None:
    """gap7: what was not declared, in any particular, is refused, so no more files than declared can be registered."""
    file = pdf(1000)
    session = create(http, file)
    refused(http.post(f"{session.path}/files", json=file.declared | change), 400, "BAD_REQUEST")
    assert (file_rows(rows, session), bucket_of.uploads(session)) == ([], [])


@pytest.mark.parametrize(
    "session_id",
    [
        "00000000-0000-4000-8000-000000000000",
        "nonsense",
        "{00000000-0000-4000-8000-000000000000}",
        "00000000000040008000000000000000",
    ],
)
def test_rf_path_003_no_such_session(http: httpx.Client, session_id: str) -> None:
    """RF-PATH-003, at every endpoint: ids that nobody has and ids that are none."""
    session = Session(http, session_id)
    for response in calls(session, "00000000-0000-4000-8000-000000000000"):
        assert (response.status_code, response.json()) == (404, MISSING)


@pytest.mark.parametrize("session_id", ["%00", "..%2F..", "%F0%9F%98%80", "%22", "a%0Db"])
def test_an_id_that_is_no_path_segment_is_unknown(http: httpx.Client, session_id: str) -> None:
    for response in calls(Session(http, session_id), session_id):
        assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")


def test_rf_auth_002_somebody_elses_session(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    """RF-AUTH-002, at every endpoint: the same body as for a missing one, and nothing happens."""
    file = pdf()
    session = create(http, file)
    file_id = session.register(file).json()["fileId"]
    give_away(rows, session)
    before = session_row(rows, session), file_rows(rows, session), bucket_of.uploads(session)
    for response in calls(session, file_id):
        assert (response.status_code, response.json()) == (404, MISSING)
    assert (session_row(rows, session), file_rows(rows, session), bucket_of.uploads(session)) == before


def calls(session: Session, file_id: str) -> list[httpx.Response]:
    """Every call that names a session."""
    return [
        session.read(),
        session.register(pdf()),
        session.register_batch(pdf()),
        session.parts(file_id),
        session.complete(file_id, {1: "etag"}),
        session.finalize(),
        session.abort(),
    ]


@pytest.mark.parametrize("file_id", ["00000000-0000-4000-8000-000000000000", "nonsense"])
def test_no_such_file(http: httpx.Client, rows: Rows, file_id: str) -> None:
    """A missing file, and a file of another session of the same user, look the same."""
    file = pdf()
    session, other = create(http, file), create(http, file)
    elsewhere = other.register(file).json()["fileId"]
    for one in (file_id, elsewhere):
        for response in (session.parts(one), session.complete(one, {1: "etag"})):
            assert response.status_code == 404
            assert response.json() == {"error": "File not found in this upload session.", "code": "NOT_FOUND"}


def test_rf_state_004_an_expired_session(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    """RF-STATE-004 and gap5, before the sweeper comes and after: 400, at every endpoint that would go on."""
    file = pdf()
    session = create(http, file)
    file_id = session.register(file).json()["fileId"]
    expire(rows, session)
    for _ in range(2):
        for response in (
            session.register(file),
            session.register_batch(file),
            session.parts(file_id),
            session.complete(file_id, {1: "etag"}),
            session.finalize(),
        ):
            assert refused(response, 400, "BAD_REQUEST") == {"status": "expired"}
        assert session.read().json()["status"] == "expired"
        assert len(bucket_of.uploads(session)) == 1
        rows.execute("UPDATE upload_sessions SET status = 'expired', ended_at = now() WHERE id = %s", (session.id,))


def test_the_seeded_sessions_answer_as_the_contract_says(http: httpx.Client, stack: LocalStack) -> None:
    from local.seed import seed

    seed(stack.database_url, stack.storage, stack.bucket)
    expired = Session(http, "eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee")
    refused(expired.register(pdf()), 400, "BAD_REQUEST")
    foreign = Session(http, "dddddddd-dddd-dddd-dddd-dddddddddddd")
    assert foreign.register(pdf()).json() == MISSING


def test_enh6_accepted_calls_prolong_the_session_up_to_a_day(http: httpx.Client, rows: Rows) -> None:
    """enh6: 15 minutes from each accepted call, at most 24 hours; reading and refusals prolong nothing."""
    file = pdf()
    session = create(http, file)

    def left_after(call: Any) -> float:
        rows.execute("UPDATE upload_sessions SET expires_at = now() + interval '1 minute' WHERE id = %s", (session.id,))
        call()
        row = session_row(rows, session)
        return float((row["expires_at"] - row["updated_at"]).total_seconds())

    file_id = session.register(file).json()["fileId"]
    for call in (
        lambda: session.register(file),
        lambda: session.register_batch(file),
        lambda: session.parts(file_id),
        lambda: session.complete(file_id, put_parts(session.parts(file_id).json()["parts"], file)),
    ):
        assert left_after(call) == 900
    for refused_call in (session.read, lambda: session.complete(file_id, {1: "x"}), lambda: session.parts(file_id)):
        assert left_after(refused_call) < 120

    old = create(http, file)
    rows.execute(
        "UPDATE upload_sessions SET created_at = now() - interval '23 hours 58 minutes' WHERE id = %s", (old.id,)
    )
    [part] = old.register(file).json()["parts"]
    row = session_row(rows, old)
    assert row["expires_at"] - row["created_at"] == timedelta(hours=24)
    assert int(parse_qs(urlsplit(part["url"]).query)["X-Amz-Expires"][0]) <= 120, "a part's URL outlives the session"


def test_gap5_a_parts_url_dies_before_an_idle_session(http: httpx.Client) -> None:
    """gap5: a client whose URL has lapsed is still in time to ask for another."""
    file = pdf()
    session = create(http, file)
    [part] = session.register(file).json()["parts"]
    assert parse_qs(urlsplit(part["url"]).query)["X-Amz-Expires"] == ["600"]


# POST …/files/batch


def test_enh7_a_batch_succeeds_in_part(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    """enh7: each file has the result that registering it alone would have had."""
    known, fresh, stranger = pdf(), png(), parts_list()
    session = create(http, known, fresh)
    file_id = session.register(known).json()["fileId"]
    response = session.register_batch(known, stranger, fresh, fresh)
    assert response.status_code == 200
    results = response.json()["results"]
    assert [(one["index"], one["status"]) for one in results] == [(0, 200), (1, 400), (2, 201), (3, 200)]
    assert results[0]["file"]["fileId"] == file_id
    assert results[1].keys() == {"index", "status", "error"}
    assert results[1]["error"]["code"] == "BAD_REQUEST"
    assert results[2]["file"]["fileId"] == results[3]["file"]["fileId"]
    assert results[2].keys() == {"index", "status", "file"}
    assert len(file_rows(rows, session)) == len(bucket_of.uploads(session)) == 2


# GET …/parts


def test_enh8_resume_sends_only_what_is_missing(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    """enh8: a client that died after two of four parts starts again from the list."""
    file = pdf(3 * PART + 7)
    session = create(http, file)
    registered = session.register(file).json()
    sent = put_parts([registered["parts"][2], registered["parts"][0]], file)

    parts = session.parts(registered["fileId"]).raise_for_status().json()["parts"]
    assert [(part["partNumber"], part["size"], part["uploaded"]) for part in parts] == [
        (1, PART, True),
        (2, PART, False),
        (3, PART, True),
        (4, 7, False),
    ]
    assert [part.get("etag") for part in parts] == [sent[1].strip('"'), None, sent[3].strip('"'), None]
    assert "etag" not in parts[1]
    seen = rows.execute(
        "SELECT part_number, etag, size FROM upload_session_parts WHERE file_id = %s ORDER BY part_number",
        (registered["fileId"],),
    ).fetchall()
    assert [(row["part_number"], row["size"]) for row in seen] == [(1, PART), (3, PART)]
    assert session.read().json()["progress"]["bytesUploaded"] == 2 * PART

    etags = {part["partNumber"]: part["etag"] for part in parts if part["uploaded"]}
    etags |= put_parts([part for part in parts if not part["uploaded"]], file)
    session.complete(registered["fileId"], etags).raise_for_status()
    assert bucket_of.content(f"files/{session.id}/{registered['fileId']}") == file.content


def test_a_window_of_parts(http: httpx.Client) -> None:
    file = pdf(4 * PART)
    session = create(http, file)
    registered = session.register(file).json()
    put_parts(registered["parts"][1:3], file)

    def window(**query: int) -> list[tuple[int, bool]]:
        listed = session.parts(registered["fileId"], **query).raise_for_status().json()["parts"]
        return [(part["partNumber"], part["uploaded"]) for part in listed]

    assert window(**{"from": 2, "limit": 2}) == [(2, True), (3, True)]
    assert window(**{"from": 3}) == [(3, True), (4, False)]
    assert window(limit=1) == [(1, False)]
    assert window(**{"from": 5}) == []


@pytest.mark.parametrize("query", ["from=0", "from=10001", "from=x", "limit=0", "limit=1001"])
def test_a_bad_window_is_named(http: httpx.Client, query: str) -> None:
    file = pdf()
    session = create(http, file)
    file_id = session.register(file).json()["fileId"]
    details = refused(http.get(f"{session.path}/files/{file_id}/parts?{query}"), 422, "VALIDATION_ERROR")
    assert details["fields"][0]["field"] == query.partition("=")[0]


def test_a_part_of_another_size_is_refused_by_the_bucket(http: httpx.Client) -> None:
    """The size lied about: more or less than declared never gets in."""
    file = pdf(1000)
    session = create(http, file)
    [part] = session.register(file).json()["parts"]
    for content in (file.content + b"x", file.content[:-1]):
        assert httpx.put(part["url"], content=content).status_code == 403


# POST …/complete


def test_cf_hp_001_complete(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    """CF-HP-001."""
    file = pdf()
    session = create(http, file)
    registered = session.register(file).json()
    response = session.complete(registered["fileId"], put_parts(registered["parts"], file))
    assert response.status_code == 200
    body = response.json()
    assert body.keys() == {"fileId", "fileUrl"}
    [row] = file_rows(rows, session)
    assert (row["status"], str(row["id"])) == ("completed", body["fileId"])
    assert (bucket_of.objects(session), bucket_of.uploads(session)) == ([row["key"]], [])
    assert httpx.get(body["fileUrl"]).content == file.content


def test_a_50_mb_pdf_in_parallel_out_of_order(http: httpx.Client, stack: LocalStack) -> None:
    content = pdf(50 * MB).content
    file = File(content, sha256=digest(content))
    session = create(http, file)
    registered = session.register(file).json()
    parts = list(registered["parts"])
    assert len(parts) == 10
    random.Random(50).shuffle(parts)
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(4) as pool:

        def send(part: dict[str, Any]) -> tuple[int, str]:
            answer = client.put(part["url"], content=file.part(part["partNumber"]))
            return part["partNumber"], answer.raise_for_status().headers["etag"]

        etags = dict(pool.map(send, parts))
        url = session.complete(registered["fileId"], etags).raise_for_status().json()["fileUrl"]
        assert digest(client.get(url).content) == file.sha256
    finalized = session.finalize().raise_for_status().json()
    assert finalized["status"] == "completed"


@pytest.mark.parametrize("form", ["{}", '"{}"', '"{}'])
def test_etags_with_and_without_quotes_and_extra_keys(http: httpx.Client, form: str) -> None:
    file = pdf(PART + 5)
    session = create(http, file)
    registered = session.register(file).json()
    etags = put_parts(registered["parts"], file)
    parts = [
        {"partNumber": number, "etag": form.format(etag.strip('"')), "size": 12, "ETag": "nonsense", "checksum": None}
        for number, etag in sorted(etags.items(), reverse=True)
    ]
    body = {"parts": parts, "uploadId": "nonsense", "key": "../../x"}
    response = http.post(f"{session.path}/files/{registered['fileId']}/complete", json=body)
    assert response.status_code == 200, response.text


def test_cf_val_007_parts_that_differ_from_what_was_uploaded(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    """CF-VAL-007: missing, too many, twice, swapped, foreign and empty; afterwards the file can still be completed."""
    file = pdf(2 * PART + 5)
    session = create(http, file)
    registered = session.register(file).json()
    file_id = registered["fileId"]
    etags = put_parts(registered["parts"][:2], file)
    claimed = etags | {3: etags[1]}
    assert refused(session.complete(file_id, etags), 400, "BAD_REQUEST")["missingParts"] == [3]
    refused(session.complete(file_id, claimed), 400, "BAD_REQUEST")
    etags |= put_parts(registered["parts"][2:], file)
    for wrong in (
        {1: etags[1], 2: etags[2]},
        etags | {4: etags[3]},
        {1: etags[2], 2: etags[1], 3: etags[3]},
        etags | {2: '"0123456789abcdef0123456789abcdef"'},
        etags | {2: "<&>"},
        etags | {2: ""},
        etags | {2: "with space"},
        {number + 1: etag for number, etag in etags.items()},
    ):
        refused(session.complete(file_id, wrong), 400, "BAD_REQUEST")
    twice = [{"partNumber": number, "etag": etags[number]} for number in (1, 1, 2, 3)]
    response = http.post(f"{session.path}/files/{file_id}/complete", json={"parts": twice})
    refused(response, 400, "BAD_REQUEST")
    assert [row["status"] for row in file_rows(rows, session)] == ["registered"]
    assert (bucket_of.objects(session), len(bucket_of.uploads(session))) == ([], 1)
    assert session.complete(file_id, etags).status_code == 200


@pytest.mark.parametrize("number", [0, 10_001, -1, "1", 1.5, None])
def test_a_part_number_that_is_none(http: httpx.Client, number: Any) -> None:
    file = pdf()
    session = create(http, file)
    file_id = session.register(file).json()["fileId"]
    response = http.post(
        f"{session.path}/files/{file_id}/complete", json={"parts": [{"partNumber": number, "etag": "x"}]}
    )
    assert refused(response, 422, "VALIDATION_ERROR")["fields"][0]["field"] == "parts.0.partNumber"


def test_cf_state_004_already_completed(http: httpx.Client, rows: Rows) -> None:
    """CF-STATE-004 and gap4: 400, with the URL in `details`, so a client that lost the answer recovers."""
    file = pdf()
    session = create(http, file)
    registered = session.register(file).json()
    etags = put_parts(registered["parts"], file)
    assert session.complete(registered["fileId"], etags).status_code == 200
    for answer in (session.complete(registered["fileId"], etags), session.parts(registered["fileId"])):
        assert httpx.get(refused(answer, 400, "BAD_REQUEST")["fileUrl"]).content == file.content
    assert session.finalize().status_code == 200
    late = session.complete(registered["fileId"], etags)
    assert "fileUrl" in refused(late, 400, "BAD_REQUEST"), "after the session's end too"


@pytest.mark.parametrize("finish", ["complete", "parts"])
def test_gap4_the_retry_finds_the_object_where_the_upload_is_gone(
    http: httpx.Client, rows: Rows, stack: LocalStack, bucket_of: Bucket, finish: str
) -> None:
    """gap4: killed between the bucket's completion and the row; HEAD decides, whichever call comes next.

    S3 forgets a completed upload after a while, this S3 server when the object is written again.
    """
    file = pdf()
    session = create(http, file)
    registered = session.register(file).json()
    etags = put_parts(registered["parts"], file)
    key = f"files/{session.id}/{registered['fileId']}"
    stack.storage.complete_multipart_upload(
        Bucket=stack.bucket,
        Key=key,
        UploadId=registered["uploadId"],
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etags[1]}]},
    )
    bucket_of.put(key, file.content)
    if finish == "complete":
        answer = session.complete(registered["fileId"], etags)
        url = answer.raise_for_status().json()["fileUrl"]
    else:
        url = refused(session.parts(registered["fileId"]), 400, "BAD_REQUEST")["fileUrl"]
    assert httpx.get(url).content == file.content
    assert [row["status"] for row in file_rows(rows, session)] == ["completed"]
    assert session.finalize().status_code == 200


def test_an_upload_that_storage_has_lost_may_be_registered_again(http: httpx.Client, stack: LocalStack) -> None:
    file = pdf()
    session = create(http, file)

    def completing(file_id: str) -> httpx.Response:
        return session.complete(file_id, {1: "x"})

    for call in (completing, session.parts):
        registered = session.register(file).json()
        stack.storage.abort_multipart_upload(
            Bucket=stack.bucket, Key=f"files/{session.id}/{registered['fileId']}", UploadId=registered["uploadId"]
        )
        refused(call(registered["fileId"]), 400, "BAD_REQUEST")
    session.send(file)
    assert session.finalize().status_code == 200


@pytest.mark.parametrize("filename", ["../../Pläne €\u202efdp.exe", 'a"; x="\r\nSet-Cookie: b=c.pdf'])
def test_a_hostile_name_is_kept_but_harmless(http: httpx.Client, rows: Rows, filename: str) -> None:
    """Kept in the row, never in the key; what `Content-Disposition` makes of it is in tests/unit/test_downloads.py."""
    file = pdf(filename=filename)
    session = create(http, file)
    completed = session.send(file)
    assert session.read().json()["files"][0]["filename"] == filename
    [row] = file_rows(rows, session)
    assert row["key"] == f"files/{session.id}/{row['id']}"
    download = httpx.get(completed["fileUrl"])
    assert download.content == file.content
    assert download.headers["content-disposition"] == content_disposition(filename)
    assert "set-cookie" not in download.headers


# POST …/finalize


def test_finalize_and_finalize_again(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    files = [pdf(), png(), parts_list()]
    session = create(http, *files)
    missing = refused(session.finalize(), 400, "BAD_REQUEST")
    assert [file["index"] for file in missing["files"]] == [0, 1, 2]
    ids = [session.send(file)["fileId"] for file in files]
    first = session.finalize()
    assert first.status_code == 200
    body = first.json()
    assert body.keys() == {"sessionId", "status", "files"}
    assert (body["status"], [file["fileId"] for file in body["files"]]) == ("completed", ids)
    assert [httpx.get(file["fileUrl"]).content for file in body["files"]] == [file.content for file in files]
    again = session.finalize()
    assert again.status_code == 200
    assert [{**file, "fileUrl": ""} for file in again.json()["files"]] == [
        {**file, "fileUrl": ""} for file in body["files"]
    ]
    row = session_row(rows, session)
    assert (row["status"], row["lock_token"]) == ("completed", None)
    refused(session.register(files[0]), 400, "BAD_REQUEST")
    assert session.abort().json()["code"] == "ALREADY_COMPLETED"
    assert len(bucket_of.objects(session)) == 3


LIARS = {
    "program.pdf": (File(b"MZ\x90\x00 This program cannot be run in DOS mode"), "type"),
    "picture.pdf": (File(png().content), "type"),
    "other.pdf": (pdf(sha256=digest(b"something else")), "sha256"),
    "sound.webp": (File(b"RIFF\x00\x00\x00\x00WAVE", "image", mime_type="image/webp"), "type"),
    "page.txt": (File(b"<html><script>alert(1)</script>", "parts-list", mime_type="text/plain"), "type"),
    "drawing.xml": (File(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "parts-list", mime_type="text/xml"), "type"),
    "half.json": (File(b'{"a": ', "parts-list", mime_type="application/json"), "type"),
    "binary.csv": (File(b"name,count\n\x00\x01", "parts-list", mime_type="text/csv"), "type"),
}


def test_gap6_a_file_that_lies_is_caught_at_finalize(
    http: httpx.Client, rows: Rows, stack: LocalStack, bucket_of: Bucket
) -> None:
    """gap6: 422, each named; the session goes on; their objects go; true files take their places."""
    liars = [replace(file, filename=filename) for filename, (file, _) in LIARS.items()]
    good = pdf(filename="good.pdf")
    session = create(http, *liars, good)
    *lying, honest = [session.send(file)["fileId"] for file in (*liars, good)]
    details = refused(session.finalize(), 422, "CONTENT_MISMATCH")
    assert details["files"] == [
        {"index": index, "fileId": lying[index], "filename": filename, "reason": reason}
        for index, (filename, (_, reason)) in enumerate(LIARS.items())
    ]
    row = session_row(rows, session)
    assert (row["status"], row["lock_token"], row["failure_reason"]) == ("active", None, "content_mismatch")
    assert [one["status"] for one in session.read().json()["files"]] == ["declared"] * len(liars) + ["completed"]
    [failed] = [properties for name, properties, _ in events(rows, session) if name == "upload_session_failed"]
    assert failed == {"session_id": session.id, "reason": "content_mismatch"}
    assert stack.sandboxes.invoke("OperationsSweepFunction", {}).error is None
    assert bucket_of.objects(session) == [f"files/{session.id}/{honest}"]

    again = session.register(liars[0])
    assert again.status_code == 201
    assert again.json()["fileId"] != lying[0]
    refused(session.finalize(), 400, "BAD_REQUEST")


def test_a_true_file_takes_a_liars_place(http: httpx.Client) -> None:
    file = pdf(500)
    session = create(http, file)
    registered = session.register(file).json()
    etags = put_parts(registered["parts"], File(bytes(500)))
    session.complete(registered["fileId"], etags).raise_for_status()
    refused(session.finalize(), 422, "CONTENT_MISMATCH")
    session.send(file)
    assert session.finalize().status_code == 200


def test_true_files_of_every_type_pass(http: httpx.Client) -> None:
    files = [
        pdf(),
        File(b"\xff\xd8\xff\xe0" + bytes(300), "image", "a.jpg", "image/jpeg"),
        png(),
        File(b"RIFF\x00\x01\x00\x00WEBPVP8 " + bytes(300), "image", "a.webp", "image/webp"),
        File(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00heicmif1" + bytes(300), "image", "a.heic", "image/heic"),
        File("name;Stückzahl\n3001;4\n".encode(), "parts-list", "a.csv", "text/csv"),
        File(b"four bricks", "parts-list", "a.txt", "text/plain"),
        parts_list(),
        File(b"<?xml version='1.0'?><parts/>", "parts-list", "a.xml", "application/xml"),
        File(b"<parts/>", "parts-list", "b.xml", "text/xml"),
    ]
    session = create(http, *files)
    for file in files:
        session.send(file)
    response = session.finalize()
    assert response.status_code == 200, response.text


def test_an_object_replaced_behind_our_back_is_caught(http: httpx.Client, bucket_of: Bucket) -> None:
    file = pdf()
    session = create(http, file)
    session.send(file)
    [key] = bucket_of.objects(session)
    bucket_of.put(key, pdf().content)
    assert refused(session.finalize(), 422, "CONTENT_MISMATCH")["files"][0]["reason"] == "changed"


def test_a_live_finalizer_holds_the_session_and_a_dead_one_does_not(http: httpx.Client, rows: Rows) -> None:
    file, other = pdf(), pdf(5)
    session = create(http, file, other)
    registered = session.register(other).json()
    etags = put_parts(registered["parts"], other)
    session.send(file)

    def hold(seconds: int) -> None:
        rows.execute(
            "UPDATE upload_sessions SET status = 'finalizing', lock_token = gen_random_uuid(), "
            "locked_until = now() + make_interval(secs => %s) WHERE id = %s",
            (seconds, session.id),
        )

    hold(60)
    held = session.finalize()
    refused(held, 409, "FINALIZE_IN_PROGRESS")
    assert held.headers["retry-after"] == "1"
    refused(session.abort(), 409, "FINALIZE_IN_PROGRESS")
    for response in (session.register(other), session.complete(registered["fileId"], etags)):
        assert refused(response, 400, "BAD_REQUEST") == {"status": "finalizing"}
    assert session.read().json()["status"] == "finalizing"

    hold(-1)
    assert session.read().json()["status"] == "active"
    assert session.complete(registered["fileId"], etags).status_code == 200
    hold(-1)
    assert session.finalize().status_code == 200


# DELETE …/sessions/{sessionId}


def test_abort_leaves_nothing(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    sent, half = pdf(filename="sent.pdf"), pdf(PART + 1, filename="half.pdf")
    session = create(http, sent, half)
    session.send(sent)
    put_parts(session.register(half).json()["parts"][:1], half)
    assert (len(bucket_of.objects(session)), len(bucket_of.uploads(session))) == (1, 1)

    response = session.abort()
    assert (response.status_code, response.content) == (204, b"")
    assert (bucket_of.objects(session), bucket_of.uploads(session), file_rows(rows, session)) == ([], [], [])
    assert session_row(rows, session)["failure_reason"] == "aborted"
    assert session.abort().status_code == 204, "it is as gone as before"
    failures = [properties for name, properties, _ in events(rows, session) if name == "upload_session_failed"]
    assert failures == [{"session_id": session.id, "reason": "aborted"}]
    assert session.read().json()["status"] == "aborted"
    assert refused(session.register(sent), 400, "BAD_REQUEST") == {"status": "aborted"}
    assert refused(session.finalize(), 400, "BAD_REQUEST") == {"status": "aborted"}


# The sweeper


def test_gap1_the_sweeper_ends_what_is_overdue(
    http: httpx.Client, rows: Rows, stack: LocalStack, bucket_of: Bucket
) -> None:
    """gap1: past `expiresAt` a session is `expired` at the next sweep, and all it had in the bucket is gone."""
    sent, half = pdf(filename="sent.pdf"), pdf(PART + 1, filename="half.pdf")
    overdue, alive = create(http, sent, half), create(http, sent)
    overdue.send(sent)
    put_parts(overdue.register(half).json()["parts"][:1], half)
    alive.register(sent)
    expire(rows, overdue)
    for _ in range(2):
        assert stack.sandboxes.invoke("OperationsSweepFunction", {}).error is None
        assert session_row(rows, overdue)["status"] == "expired"
        assert (bucket_of.objects(overdue), bucket_of.uploads(overdue)) == ([], [])
        assert session_row(rows, alive)["status"] == "active"
        assert len(bucket_of.uploads(alive)) == 1
    assert [name for name, _, _ in events(rows, overdue)].count("upload_session_expired") == 1


def test_what_came_late_is_found_by_the_second_look(
    http: httpx.Client, rows: Rows, stack: LocalStack, bucket_of: Bucket
) -> None:
    """A call under way at a session's end may leave something behind, so the bucket is looked at again."""
    file = pdf()
    aborted, completed = create(http, file), create(http, file)
    aborted.abort()
    kept = completed.send(file)
    completed.finalize()
    for session in (aborted, completed):
        stack.storage.create_multipart_upload(Bucket=stack.bucket, Key=f"files/{session.id}/late")
    bucket_of.put(f"files/{aborted.id}/late", b"late")
    for session in (aborted, completed):
        assert session_row(rows, session)["purge_after"] - session_row(rows, session)["ended_at"] == timedelta(
            minutes=20
        )
    rows.execute(
        "UPDATE upload_sessions SET purge_after = now(), ended_at = now() - interval '21 minutes' WHERE id = ANY(%s)",
        ([aborted.id, completed.id],),
    )
    assert stack.sandboxes.invoke("OperationsSweepFunction", {}).error is None
    assert (bucket_of.uploads(aborted), bucket_of.uploads(completed)) == ([], [])
    assert (bucket_of.objects(aborted), bucket_of.objects(completed)) == (
        [],
        [f"files/{completed.id}/{kept['fileId']}"],
    )
    assert [session_row(rows, session)["purge_after"] for session in (aborted, completed)] == [None, None]


# Analytics


def test_enh4_events_of_a_session(http: httpx.Client, rows: Rows) -> None:
    """enh4: each once, snake_case, about a hash of the user; no name, no URL, no e-mail address."""
    file, image = pdf(2000), png(filename="ada@example.com.png")
    session = create(http, file, image)
    ids = [session.send(one)["fileId"] for one in (file, image)]
    session.finalize()
    session.finalize()
    recorded = events(rows, session)
    assert [name for name, _, _ in recorded] == [
        "upload_session_created",
        "upload_session_file_completed",
        "upload_session_file_completed",
        "upload_session_completed",
    ]
    created, first, second, completed = [properties for _, properties, _ in recorded]
    assert created == {"session_id": session.id, "file_count": 2, "total_bytes": 2500}
    assert first == {
        "session_id": session.id,
        "file_id": ids[0],
        "category": "instruction",
        "file_size": 2000,
        "file_type": "application/pdf",
    }
    assert second["file_id"] == ids[1]
    assert completed.keys() == {"session_id", "file_count", "duration_ms"}
    assert completed["duration_ms"] > 0
    assert len({who for _, _, who in recorded}) == 1
    text = str(recorded)
    assert not any(secret in text for secret in (DEV_USER, "ada@example.com", "http", "manual.pdf"))


def test_enh4_the_view_of_a_day(http: httpx.Client, rows: Rows) -> None:
    """enh4: success rate, median upload time and top failure reasons per UTC day."""
    day = datetime(2001, 2, 3).date()
    outcomes: list[tuple[str, int | None, str | None]]
    outcomes = [("completed", 10, None)] * 3 + [("completed", 40, None), ("active", None, None)]
    outcomes += [("expired", 900, "expired")] * 2 + [("expired", 900, "content_mismatch"), ("aborted", 5, "aborted")]
    for status, seconds, reason in outcomes:
        rows.execute(
            """INSERT INTO upload_sessions (id, user_id, status, part_size_bytes, failure_reason, created_at, ended_at,
                                            expires_at)
               VALUES (gen_random_uuid(), 'view', %(status)s, 5242880, %(reason)s, '2001-02-03 23:59:00Z',
                       '2001-02-03 23:59:00Z'::timestamptz + make_interval(secs => %(seconds)s), '2001-02-04')""",
            {"status": status, "seconds": seconds, "reason": reason},
        )
    row = rows.execute("SELECT * FROM upload_session_days WHERE day = %s", (day,)).fetchone()
    rows.execute("DELETE FROM upload_sessions WHERE user_id = 'view'")
    assert row is not None
    assert (row["created"], row["completed"], row["failed"]) == (9, 4, 4)
    assert float(row["success_rate"]) == pytest.approx(4 / 9, abs=1e-4)
    assert row["median_upload_seconds"] == 10
    assert row["top_failure_reasons"] == [
        {"reason": "expired", "sessions": 2},
        {"reason": "aborted", "sessions": 1},
        {"reason": "content_mismatch", "sessions": 1},
    ]


def test_nothing_secret_is_logged(http: httpx.Client, stack: LocalStack) -> None:
    file = pdf(filename="private-name.pdf")
    response = declare(http, file)
    session = Session(http, response.json()["sessionId"])
    url = session.send(file)["fileUrl"]
    signature = parse_qs(urlsplit(url).query)["X-Amz-Signature"][0]
    token = response.json()["companionPath"].rpartition("/")[2]
    log = stack.function_log.read_text()
    assert "POST /api/mocs/uploads/sessions/{sessionId}/files" in log
    assert not any(secret in log for secret in (signature, token, "private-name"))
