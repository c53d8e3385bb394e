"""GET /api/mocs/uploads/sessions/{sessionId}: every declared file, how far it has come, and the session's state."""

import httpx

from tests.support.stacks import Rows
from tests.support.upload_sessions import PART, create, expire, give_away, parts_list, pdf, png, put_parts, session_row


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


def test_unchanged_is_304(http: httpx.Client, rows: Rows) -> None:
    session = create(http, pdf())
    first = session.read()
    etag = first.headers["etag"]
    assert etag == f'"{first.json()["revision"]}"', "strong: the revision"
    for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = http.get(session.path, headers={"If-None-Match": condition})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert http.get(session.path, headers={"If-None-Match": '"other"'}).status_code == 200
    session.register(pdf())
    changed = http.get(session.path, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag

    give_away(rows, session)
    stranger = http.get(session.path, headers={"If-None-Match": "*"})
    assert (stranger.status_code, "etag" in stranger.headers) == (404, False)


def test_what_time_alone_has_changed_is_told(http: httpx.Client, rows: Rows) -> None:
    """Its revision rises when the sweeper comes; until then a 304 would say that it is as it was."""
    session = create(http, pdf())
    expire(rows, session)
    etag = session.read().headers["etag"]
    for _ in range(2):
        answer = http.get(session.path, headers={"If-None-Match": etag})
        assert (answer.status_code, answer.json()["status"]) == (200, "expired")


def test_reading_changes_nothing(http: httpx.Client, rows: Rows) -> None:
    session = create(http, pdf(), png())
    before = session_row(rows, session)
    first, again = session.read(), session.read()
    assert first.json() == again.json()
    assert session_row(rows, session) == before
