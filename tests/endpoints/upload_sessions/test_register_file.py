"""POST /api/mocs/uploads/sessions/{sessionId}/files: declared files, each once, with all their parts signed."""

from typing import Any

import httpx
import pytest

from tests.support.stacks import Rows
from tests.support.upload_sessions import MB, PART, Bucket, create, digest, file_rows, pdf, put_parts, refused


def test_register(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    """All parts are signed in the same answer."""
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


def test_the_same_file_again_gets_the_first_answer(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    """200, the same file and upload, fresh URLs of the same parts."""
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
def test_only_declared_files(http: httpx.Client, rows: Rows, bucket_of: Bucket, change: dict[str, Any]) -> None:
    """What was not declared, in any particular, is refused, so no more files than declared can be registered."""
    file = pdf(1000)
    session = create(http, file)
    refused(http.post(f"{session.path}/files", json=file.declared | change), 400, "BAD_REQUEST")
    assert (file_rows(rows, session), bucket_of.uploads(session)) == ([], [])


def test_a_part_of_another_size_is_refused_by_the_bucket(http: httpx.Client) -> None:
    """The size lied about: more or less than declared never gets in."""
    file = pdf(1000)
    session = create(http, file)
    [part] = session.register(file).json()["parts"]
    for content in (file.content + b"x", file.content[:-1]):
        assert httpx.put(part["url"], content=content).status_code == 403
