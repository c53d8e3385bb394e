"""POST /api/mocs/uploads/sessions/{sessionId}/live: a ticket for the session's user. What it opens is in tests/live."""

import httpx

from inlet.identifiers import token_hash
from tests.support.invocations import DEV_USER
from tests.support.stacks import Rows
from tests.support.upload_sessions import MISSING, SESSIONS, Session, create, declare, give_away, pdf
from tests.support.viewers import ask, handshake, ticket, token_of

NOBODY = "00000000-0000-4000-8000-000000000000"
TICKETS = "SELECT hash, user_id FROM live_tickets WHERE topic = %s"


def topic(session: Session) -> tuple[str]:
    return (f"upload_session:{session.id}",)


def test_gives_out_a_ticket(http: httpx.Client, rows: Rows) -> None:
    session = create(http, pdf())
    rows.execute("DELETE FROM live_tickets")
    url = ticket(http, session.path)
    assert rows.execute(TICKETS, topic(session)).fetchall() == [
        {"hash": token_hash(token_of(url)), "user_id": DEV_USER}
    ]
    assert ticket(http, session.path.upper().replace(SESSIONS.upper(), SESSIONS)) != url
    assert rows.execute(TICKETS, topic(session)).rowcount == 2, "an id in capitals names the same session"


def test_creating_a_session_gives_out_the_first_one(http: httpx.Client, rows: Rows) -> None:
    created = declare(http, pdf()).json()
    session = Session(http, created["sessionId"])
    [row] = rows.execute(TICKETS, topic(session)).fetchall()
    assert row == {"hash": token_hash(token_of(created["liveUrl"])), "user_id": DEV_USER}
    assert handshake(created["liveUrl"]) == 101


def test_somebody_elses_is_as_unknown_as_none(http: httpx.Client, rows: Rows) -> None:
    theirs = create(http, pdf())
    give_away(rows, theirs)
    rows.execute("DELETE FROM live_tickets")
    for path in (theirs.path, f"{SESSIONS}/{NOBODY}", f"{SESSIONS}/nonsense"):
        answer = ask(http, path)
        assert (answer.status_code, answer.json()) == (404, MISSING)
    assert rows.execute("SELECT FROM live_tickets").rowcount == 0
