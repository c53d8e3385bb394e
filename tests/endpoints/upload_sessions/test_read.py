"""GET /api/mocs/uploads/sessions/{sessionId}: every declared file, how far it has come, and the session's state."""

import httpx

from tests.support.stacks import Rows
from tests.support.upload_sessions import PART, create, parts_list, pdf, png, put_parts, session_row


def test_the_detail_follows_every_file(http: httpx.Client, rows: Rows) -> None:
    sent, half, declared = pdf(2000), pdf(PART + 7, filename="half.pdf"), parts_list()
    session = create(http, sent, half, declared)
    file_id = session.send(sent)["fileId"]
    registered = session.register(half).json()
    put_parts(registered["parts"][:1], half)
    session.parts(registered["fileId"])  # what the bucket has is noted when somebody asks

    answer = session.read()
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {
        *("sessionId", "status", "partSizeBytes", "createdAt", "expiresAt", "progress", "files", "revision"),
    }
    assert (body["sessionId"], body["status"], body["partSizeBytes"]) == (session.id, "active", PART)
    assert body["expiresAt"] == session_row(rows, session)["expires_at"].strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    known = [(file["filename"], file["status"], file.get("fileId")) for file in body["files"]]
    assert known == [
        ("manual.pdf", "completed", file_id),
        ("half.pdf", "registered", registered["fileId"]),
        ("parts.json", "declared", None),
    ]
    assert body["progress"] == {
        "filesCompleted": 1,
        "filesTotal": 3,
        "bytesUploaded": 2000 + PART,
        "bytesTotal": 2000 + PART + 7 + len(declared.content),
    }


def test_reading_changes_nothing(http: httpx.Client, rows: Rows) -> None:
    session = create(http, pdf(), png())
    before = session_row(rows, session)
    first, again = session.read(), session.read()
    assert first.json() == again.json()
    assert session_row(rows, session) == before
