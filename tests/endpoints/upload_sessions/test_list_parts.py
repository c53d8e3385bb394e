"""GET /api/mocs/uploads/sessions/{sessionId}/files/{fileId}/parts: what is there, and where to send the rest."""

import httpx
import pytest

from tests.support.stacks import Rows
from tests.support.upload_sessions import PART, Bucket, create, pdf, put_parts, refused


def test_resume_sends_only_what_is_missing(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    """A client that died after two of four parts starts again from the list."""
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
