"""GET /api/mocs/uploads/sessions: pages, newest first."""

from collections.abc import Callable, Iterator

import httpx
import psycopg
import pytest

from local.stack import LocalStack
from tests.support.invocations import DEV_USER
from tests.support.stacks import Rows
from tests.support.upload_sessions import SESSIONS, create, expire, give_away, pdf, png


@pytest.fixture(autouse=True)
def none_yet(rows: Rows) -> None:
    """The stack's user begins without a session."""
    rows.execute("UPDATE upload_sessions SET user_id = 'before' WHERE user_id = %s", (DEV_USER,))


def test_pages_are_newest_first_and_tell_how_each_session_is_now(http: httpx.Client, rows: Rows) -> None:
    assert http.get(SESSIONS).json() == {"sessions": [], "total": 0, "page": 1, "limit": 10}
    sessions = [create(http, pdf(1000 + number), png(500)) for number in range(4)]
    sessions[0].abort().raise_for_status()
    expire(rows, sessions[1])
    give_away(rows, sessions[2])
    first = http.get(SESSIONS, params={"page": 1, "limit": 2}).json()
    last = http.get(SESSIONS, params={"page": 2, "limit": 2}).json()
    assert (first["total"], first["page"], first["limit"]) == (3, 1, 2)
    shown = first["sessions"] + last["sessions"]
    assert [one["sessionId"] for one in shown] == [sessions[number].id for number in (3, 1, 0)]
    assert [one["status"] for one in shown] == ["active", "expired", "aborted"], "as of now, before the sweeper says so"
    assert [(one["fileCount"], one["bytes"]) for one in shown] == [(2, 1503), (2, 1501), (2, 1500)]
    for one, session in zip(shown, (sessions[3], sessions[1], sessions[0]), strict=True):
        detail = session.read().json()
        assert one.items() - {("fileCount", 2), ("bytes", one["bytes"])} <= {
            (name, value) for name, value in detail.items() if not isinstance(value, list | dict)
        }
    beyond = http.get(SESSIONS, params={"page": 3, "limit": 2}).json()
    assert (beyond["sessions"], beyond["total"]) == ([], 3)


@pytest.mark.parametrize("query", ["page=0", "limit=101", "limit=1&limit=2", "page=1e9", "page=٣", "limit="])
def test_abuse_of_pages_is_refused(http: httpx.Client, query: str) -> None:
    answer = http.get(f"{SESSIONS}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")
    assert "should be a whole number from 1 to" in answer.json()["error"]


@pytest.fixture(scope="module")
def keeping_for_a_week(open_stack: Callable[..., LocalStack]) -> Iterator[LocalStack]:
    with open_stack(RATE_LIMIT_BYPASS="true", UPLOAD_RETENTION_DAYS="7", RECORDING_RETENTION_DAYS="7") as stack:
        yield stack


def test_a_person_is_told_when_a_session_is_deleted(keeping_for_a_week: LocalStack) -> None:
    """From the moment it is completed: in the answer, in its page, in the list; and the date does not move."""
    with (
        httpx.Client(base_url=keeping_for_a_week.url, timeout=30) as http,
        psycopg.connect(keeping_for_a_week.database_url, autocommit=True) as rows,
    ):
        file = pdf()
        session = create(http, file)
        assert "deletesAt" not in session.read().json()
        session.send(file)
        told = [session.finalize().json()["deletesAt"], session.finalize().json()["deletesAt"]]
        told += [session.read().json()["deletesAt"], http.get(SESSIONS).json()["sessions"][0]["deletesAt"]]
        assert len(set(told)) == 1
        due = rows.execute("SELECT delete_after - ended_at = interval '7 days' FROM upload_sessions").fetchone()
        assert due == (True,)
