"""POST /api/mocs/uploads/sessions/{sessionId}/files/complete: many files, each with a result of its own."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from local.stack import LocalStack
from tests.support.stacks import Rows
from tests.support.upload_sessions import (
    PART,
    File,
    Session,
    create,
    expire,
    file_rows,
    parts_list,
    pdf,
    png,
    put_parts,
    refused,
)

FILES = [pdf(filename=name) for name in ("whole", "wrong ETag", "part missing", "completed", "lost", "withdrawn")]
FILES += [pdf(PART + 5, filename="in two parts"), File(b"no PDF at all", filename="liar"), png(), parts_list()]

type Sent = list[tuple[str, dict[int, str]]]


def sent(http: httpx.Client, stack: LocalStack, rows: Rows) -> tuple[Session, Sent]:
    """A session whose files are all in different states, and what a client would name to complete each."""
    session = create(http, *FILES)
    files: Sent = []
    for file in FILES:
        registered = session.register(file).json()
        etags = put_parts(registered["parts"], file)
        key, file_id = f"files/{session.id}/{registered['fileId']}", registered["fileId"]
        match file.filename:
            case "wrong ETag":
                etags[1] = '"0123456789abcdef0123456789abcdef"'
            case "part missing":
                etags = {2: etags[1]}
            case "completed":
                session.complete(file_id, etags).raise_for_status()
            case "lost":
                stack.storage.abort_multipart_upload(Bucket=stack.bucket, Key=key, UploadId=registered["uploadId"])
            case "withdrawn":
                rows.execute("DELETE FROM upload_session_files WHERE id = %s", (file_id,))
        files.append((file_id, etags))
    return session, files


def alone(response: httpx.Response) -> dict[str, Any]:
    """The answer of one file's call, in the form of a batch's."""
    body = response.json()
    return {"status": response.status_code, ("file" if response.is_success else "error"): body}


def without_ids(answer: dict[str, Any], file_id: str) -> dict[str, Any]:
    """An answer without what differs between two sessions."""
    content = answer.get("file") or answer["error"]
    url = content.pop("fileUrl", None) or content.get("details", {}).pop("fileUrl", None)
    assert url is None or httpx.get(url).status_code == 200
    assert content.pop("fileId", file_id) == file_id
    return answer | {"url": url is not None}


def test_each_file_has_the_answer_it_would_have_had_alone(http: httpx.Client, stack: LocalStack, rows: Rows) -> None:
    session, files = sent(http, stack, rows)
    one_by_one = [without_ids(alone(session.complete(*file)), file[0]) for file in files]
    session, files = sent(http, stack, rows)
    results = session.complete_files(files).raise_for_status().json()["results"]
    assert [result.pop("index") for result in results] == list(range(len(FILES)))
    together = [without_ids(result, file_id) for result, (file_id, _) in zip(results, files, strict=True)]
    assert together == one_by_one
    assert [one["status"] for one in together] == [200, 400, 400, 400, 400, 404, 200, 200, 200, 200]


def test_what_lies_is_named_by_finalize_and_only_that_is_looked_into_again(http: httpx.Client, rows: Rows) -> None:
    honest, liar = pdf(), File(b"no PDF at all", filename="liar.pdf")
    session = create(http, honest, liar)
    files = []
    for file in (honest, liar):
        registered = session.register(file).json()
        files.append((registered["fileId"], put_parts(registered["parts"], file)))
    assert [one["status"] for one in session.complete_files(files).json()["results"]] == [200, 200]
    assert [row["verified_at"] is not None for row in file_rows(rows, session)] == [True, False]
    [named] = refused(session.finalize(), 422, "CONTENT_MISMATCH")["files"]
    assert named["filename"] == "liar.pdf"
    session.send(File(honest.content[:13], filename="liar.pdf"))
    assert session.finalize().status_code == 200


def test_a_session_that_has_ended(http: httpx.Client, rows: Rows) -> None:
    file = pdf()
    session = create(http, file)
    registered = session.register(file).json()
    etags = put_parts(registered["parts"], file)
    expire(rows, session)
    [result] = session.complete_files([(registered["fileId"], etags)]).json()["results"]
    assert result["status"] == 400
    assert result["error"]["details"] == {"status": "expired"}


@pytest.mark.parametrize(
    "name",
    [
        lambda _: [],
        lambda file_id: [file_id, file_id.upper()],
        lambda file_id: [file_id, *(f"other {number}" for number in range(50))],
        lambda _: [""],
    ],
    ids=["none", "one twice", "too many", "one without a name"],
)
def test_what_cannot_be_asked_for(http: httpx.Client, rows: Rows, name: Callable[[str], list[str]]) -> None:
    """Refused as a whole, and nothing has happened."""
    file = pdf()
    session = create(http, file)
    registered = session.register(file).json()
    etags = put_parts(registered["parts"], file)
    response = session.complete_files([(file_id, etags) for file_id in name(registered["fileId"])])
    fields = refused(response, 422, "VALIDATION_ERROR")["fields"]
    assert fields[0]["field"].startswith("files")
    assert [row["status"] for row in file_rows(rows, session)] == ["registered"]
