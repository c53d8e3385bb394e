"""DELETE /api/me: nothing of the user is found any more. What becomes of it is in tests/users."""

import httpx

from tests.support.speaking_sessions import recorded
from tests.support.upload_sessions import SESSIONS, create, declare, pdf


def test_nothing_is_found_any_more_and_a_new_beginning_is_possible(http: httpx.Client) -> None:
    file = pdf()
    session, recording = create(http, file), recorded(http)
    companion = declare(http, file).json()["companionPath"]
    answer = http.delete("/api/me")
    assert answer.status_code == 202
    assert answer.json()["uploadSessions"] >= 2
    assert answer.json()["recordings"] >= 1
    assert session.read().status_code == session.register(file).status_code == 404
    assert (
        http.post(f"{companion}/s3/multipart", json={"filename": "manual.pdf", "type": "application/pdf"}).status_code
        == 404
    )
    assert http.get(f"/api/sessions/{recording}").json()["code"] == "USER_NOT_FOUND"
    assert http.get(SESSIONS).json()["total"] == http.get("/api/sessions").json()["total"] == 0
    assert http.delete("/api/me").json() == {"uploadSessions": 0, "recordings": 0}

    begun, spoken = create(http, file), recorded(http)
    assert begun.read().status_code == http.get(f"/api/sessions/{spoken}").status_code == 200
