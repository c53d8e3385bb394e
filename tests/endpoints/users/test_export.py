"""GET /api/me/export: everything of the user, with links that work."""

import httpx
import pytest

from tests.support.invocations import DEV_USER
from tests.support.recordings import tone
from tests.support.speaking_sessions import recorded
from tests.support.upload_sessions import create, pdf


def test_an_export_says_what_there_is_and_links_to_it(http: httpx.Client) -> None:
    file = pdf(1500, filename="Grüße.pdf")
    session, recording = create(http, file), recorded(http)
    session.send(file)
    session.finalize().raise_for_status()
    answer = http.get("/api/me/export")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    told = answer.json()
    assert told.keys() == {"exportedAt", "linksExpireAt", "profile", "uploadSessions", "recordings", "next"}
    assert (told["profile"]["sub"], told["next"]) == (DEV_USER, None)
    [sent] = [one["files"][0] for one in told["uploadSessions"] if one["sessionId"] == session.id]
    assert (sent["filename"], sent["status"]) == ("Grüße.pdf", "completed")
    downloaded = httpx.get(sent["fileUrl"])
    assert downloaded.content == file.content
    assert downloaded.headers["content-disposition"].startswith("attachment")
    [heard] = [one for one in told["recordings"] if one["id"] == recording]
    assert httpx.get(heard["audioUrl"]).content == tone()
    assert all("Expires=3600" in link for link in (sent["fileUrl"], heard["audioUrl"]))


@pytest.mark.parametrize(
    "after",
    [
        "",
        "x",
        "recordings~~",
        "recordings~2026-01-01T00:00:00~00000000-0000-4000-8000-000000000000",
        "recordings~2026-01-01T00:00:00+00:00~x",
        "idempotency keys~2026-01-01T00:00:00+00:00~00000000-0000-4000-8000-000000000000",
    ],
)
def test_only_a_position_that_was_told_goes_on(http: httpx.Client, after: str) -> None:
    answer = http.get("/api/me/export", params={"after": after})
    if after:
        expected = {"error": "after should be what the answer before told as next.", "code": "BAD_REQUEST"}
        assert (answer.status_code, answer.json()) == (400, expected)
    else:
        assert answer.status_code == 200
