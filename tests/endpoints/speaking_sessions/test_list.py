"""GET /api/sessions: pages, newest first."""

import httpx
import pytest

from tests.support.speaking_sessions import recorded
from tests.support.stacks import Rows


def test_pages_are_newest_first(http: httpx.Client, rows: Rows) -> None:
    ids = [recorded(http) for _ in range(5)]
    first = http.get("/api/sessions?page=1&limit=2").json()
    last = http.get("/api/sessions", params={"page": 3, "limit": 2}).json()
    assert (first["total"], first["page"], first["limit"]) == (5, 1, 2)
    assert [session["id"] for session in first["sessions"]] == [ids[4], ids[3]]
    assert (last["total"], [session["id"] for session in last["sessions"]]) == (5, [ids[0]])
    assert set(first["sessions"][0]) == {
        *("id", "status", "stage", "progress", "durationSecs", "language", "topic"),
        *("createdAt", "updatedAt", "revision"),
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
