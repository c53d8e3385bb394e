"""POST /api/sessions/{id}/live: a ticket for the recording's user. What it opens is in tests/live."""

import httpx

from inlet.identifiers import token_hash
from local.stack import LocalStack
from tests.support.invocations import DEV_USER
from tests.support.speaking_sessions import NOBODY, OTHER_USER, as_user, recorded, refusal
from tests.support.stacks import Rows
from tests.support.viewers import ask, ticket, token_of

TICKETS = "SELECT hash, user_id FROM live_tickets WHERE topic = %s"


def test_gives_out_a_ticket(http: httpx.Client, rows: Rows) -> None:
    session_id = recorded(http)
    url = ticket(http, f"/api/sessions/{session_id}")
    expected = [{"hash": token_hash(token_of(url)), "user_id": DEV_USER}]
    assert rows.execute(TICKETS, (f"speaking_session:{session_id}",)).fetchall() == expected


def test_somebody_elses_is_as_unknown_as_none(http: httpx.Client, stack: LocalStack, rows: Rows) -> None:
    assert refusal(ask(http, f"/api/sessions/{NOBODY}"))[:2] == (404, "USER_NOT_FOUND")
    session_id = recorded(http)
    announced = {"contentType": "audio/wav", "size": 100, "duration": 1}
    as_user(stack, "SpeakingSessionsCreateFunction", "POST", "/api/sessions", OTHER_USER, json_body=announced)
    path = f"/api/sessions/{session_id}/live"
    theirs = as_user(
        stack, "SpeakingSessionsLiveFunction", "POST", path, OTHER_USER, path_parameters={"id": session_id}
    )
    missing = ask(http, f"/api/sessions/{NOBODY}")
    assert refusal(missing)[:2] == (404, "SESSION_NOT_FOUND")
    assert (theirs["statusCode"], theirs["body"]) == (404, missing.text)
    assert rows.execute(TICKETS, (f"speaking_session:{session_id}",)).rowcount == 0
