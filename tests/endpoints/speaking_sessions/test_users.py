"""Whose session it is, at every endpoint: users are made at their first request, and see only their own."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from local.stack import LocalStack
from tests.support.invocations import DEV_USER, api_event
from tests.support.recordings import tone
from tests.support.speaking_sessions import (
    NOBODY,
    OTHER_USER,
    announce,
    as_user,
    recorded,
    refusal,
    row_of,
    send_form,
)
from tests.support.stacks import Rows


def test_nobody_gets_in_without_a_token(start_stack: Callable[..., LocalStack]) -> None:
    stack = start_stack(AUTH_BYPASS="false")
    with httpx.Client(base_url=stack.url) as http:
        path = f"/api/sessions/{NOBODY}"
        answers = [
            send_form(http, tone()),
            announce(http),
            http.get("/api/sessions"),
            http.get(path),
            http.delete(path),
            http.post(f"{path}/complete"),
        ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(401, "UNAUTHORIZED")}
    # Nor does a function trust a request that came past the gateway's authorizer.
    for function, method in (("SpeakingSessionsListFunction", "GET"), ("SpeakingSessionsCreateFunction", "POST")):
        outcome = stack.sandboxes.invoke(function, api_event(method, "/api/sessions", json_body={}))
        assert outcome.payload["statusCode"] == 401
        assert json.loads(outcome.payload["body"]) == {"error": "Unauthorized", "code": "UNAUTHORIZED"}


def test_a_user_nobody_knows_has_no_sessions(http: httpx.Client, rows: Rows) -> None:
    assert http.get("/api/sessions").json() == {"sessions": [], "total": 0, "page": 1, "limit": 10}
    for path in (f"/api/sessions/{NOBODY}", "/api/sessions/no-uuid"):
        assert refusal(http.get(path)) == (404, "USER_NOT_FOUND", "User not found")
        assert refusal(http.delete(path)) == (404, "USER_NOT_FOUND", "User not found")
        assert refusal(http.post(f"{path}/complete")) == (404, "USER_NOT_FOUND", "User not found")
    assert rows.execute("SELECT FROM users").rowcount == 0


def test_somebody_elses_session_is_as_unknown_as_none(http: httpx.Client, stack: LocalStack, rows: Rows) -> None:
    announcement = {"contentType": "audio/wav", "size": 100, "duration": 1}
    theirs = as_user(
        stack, "SpeakingSessionsCreateFunction", "POST", "/api/sessions", OTHER_USER, json_body=announcement
    )
    their_id = json.loads(theirs["body"])["id"]
    recorded(http)
    answers = []
    for session_id in (their_id, NOBODY, "no-uuid", f"{{{their_id}}}", their_id.replace("-", "")):
        path = f"/api/sessions/{session_id}"
        answers += [http.get(path), http.delete(path), http.post(f"{path}/complete")]
    assert {(answer.status_code, answer.text) for answer in answers} == {
        (404, '{"error":"Session not found","code":"SESSION_NOT_FOUND"}')
    }
    assert row_of(rows, their_id)["status"] == "CREATED"
    mine = as_user(stack, "SpeakingSessionsReadFunction", "GET", f"/api/sessions/{their_id.upper()}", OTHER_USER)
    assert mine["statusCode"] == 200


def test_twenty_first_requests_make_one_user(stack: LocalStack, rows: Rows) -> None:
    def create(_: int) -> int:
        announcement = {"contentType": "audio/webm", "size": 100, "duration": 1}
        answer = as_user(
            stack, "SpeakingSessionsCreateFunction", "POST", "/api/sessions", "new-user", json_body=announcement
        )
        status: int = answer["statusCode"]
        return status

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(create, range(20))) == [201] * 20
    users = rows.execute("SELECT external_id, email, display_name FROM users").fetchall()
    assert users == [{"external_id": "new-user", "email": "ada@example.com", "display_name": "Ada"}]
    assert rows.execute("SELECT FROM speaking_sessions").rowcount == 20


def test_a_user_keeps_what_a_later_token_does_not_tell(stack: LocalStack, http: httpx.Client, rows: Rows) -> None:
    as_user(
        stack,
        "SpeakingSessionsCreateFunction",
        "POST",
        "/api/sessions",
        DEV_USER,
        json_body={"contentType": "audio/webm", "size": 100, "duration": 1},
    )
    recorded(http)  # under the bypass there are no claims
    assert rows.execute("SELECT email, display_name FROM users").fetchall() == [
        {"email": "ada@example.com", "display_name": "Ada"}
    ]
