"""POST /api/mocs/uploads/sessions: what may be declared, and what was sent before."""

import uuid
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.support.invocations import DEV_USER
from tests.support.stacks import Rows
from tests.support.upload_sessions import (
    MB,
    SESSIONS,
    File,
    Session,
    create,
    declare,
    digest,
    file_rows,
    give_away,
    parts_list,
    pdf,
    png,
    put_parts,
    refused,
    session_row,
)


def test_one_instruction(http: httpx.Client, rows: Rows) -> None:
    file = pdf(12 * MB)
    response = declare(http, file)
    assert response.status_code == 201
    body = response.json()
    assert body.keys() == {"sessionId", "partSizeBytes", "expiresAt", "duplicates", "companionPath", "liveUrl"}
    assert body["partSizeBytes"] == 5242880
    assert body["duplicates"] == []
    row = session_row(rows, Session(http, body["sessionId"]))
    assert (row["user_id"], row["status"], row["part_size_bytes"]) == (DEV_USER, "active", 5242880)
    assert row["expires_at"] - row["created_at"] == timedelta(minutes=15)
    assert body["expiresAt"] == row["expires_at"].strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def test_all_categories(http: httpx.Client, rows: Rows) -> None:
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
def test_between_1_and_50_files(http: httpx.Client, count: int) -> None:
    """An empty list; and one too many."""
    details = refused(declare(http, *[pdf()] * count), 422, "VALIDATION_ERROR")
    assert [problem["field"] for problem in details["fields"]] == ["files"]


def test_fifty_files_are_fine(http: httpx.Client) -> None:
    assert declare(http, *[pdf()] * 50).status_code == 201


def test_no_instruction(http: httpx.Client) -> None:
    refused(declare(http, png(), parts_list()), 400, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("file", "limit"), [(pdf(), 50 * MB), (png(), 10 * MB), (parts_list(), 5 * MB)], ids=["pdf", "image", "parts-list"]
)
def test_a_file_over_its_categorys_size(http: httpx.Client, file: File, limit: int) -> None:

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
def test_a_mime_type_not_of_the_category(http: httpx.Client, file: File) -> None:
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


def test_a_file_sent_before_is_named_and_may_be_skipped(http: httpx.Client) -> None:
    """By size and SHA-256, of the same user; without sending it, the new session can be finalized."""
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


def test_a_duplicate_in_an_unfinished_session_is_named_but_not_relied_on(http: httpx.Client, rows: Rows) -> None:
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


def test_another_users_file_is_no_duplicate(http: httpx.Client, rows: Rows) -> None:
    content = pdf().content
    file = File(content, sha256=digest(content))
    theirs = create(http, file)
    theirs.send(file)
    rows.execute("UPDATE upload_session_declarations SET user_id = 'other' WHERE session_id = %s", (theirs.id,))
    give_away(rows, theirs)
    assert declare(http, file).json()["duplicates"] == []


def test_the_first_that_need_sending_are_registered_at_once(http: httpx.Client, rows: Rows) -> None:
    """As a batch would have done it; a file sent before is none of them."""
    content = pdf().content
    known = File(content, filename="known.pdf", sha256=digest(content))
    earlier = create(http, known)
    earlier.send(known)
    assert earlier.finalize().status_code == 200

    fresh = [pdf(filename="twin.pdf"), pdf(filename="twin.pdf"), png(), parts_list()]
    body = {"files": [file.declared for file in (known, *fresh)], "registerFirst": 3}
    answer = http.post(SESSIONS, json=body).raise_for_status().json()
    assert [(one["index"], one["status"]) for one in answer["files"]] == [(1, 201), (2, 201), (3, 201)]
    session = Session(http, answer["sessionId"])
    for one, file in zip(answer["files"], fresh, strict=False):
        etags = put_parts(one["file"]["parts"], file)
        assert session.complete(one["file"]["fileId"], etags).status_code == 200
    session.send(fresh[-1])
    finalized = session.finalize().raise_for_status().json()["files"]
    assert [httpx.get(file["fileUrl"]).content for file in finalized] == [content, *(file.content for file in fresh)]
    assert [row["position"] for row in file_rows(rows, session)] == [1, 2, 3, 4]


@pytest.mark.parametrize("count", [-1, 9, 1.5, "3"])
def test_how_many_are_registered_at_once_has_bounds(http: httpx.Client, count: Any) -> None:
    response = http.post(SESSIONS, json={"files": [pdf().declared], "registerFirst": count})
    assert refused(response, 422, "VALIDATION_ERROR")["fields"][0]["field"] == "registerFirst"
