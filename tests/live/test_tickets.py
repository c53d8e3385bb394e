"""A ticket opens one WebSocket, once, in time, for one topic, from a page that may call the API; ten watch a topic."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import ModuleType
from typing import Any

import httpx
import psycopg
import pytest

from inlet import tickets
from inlet.identifiers import new_token, token_hash
from local.stack import LocalStack
from tests.support import invocations
from tests.support.image_jobs import confirm, confirmed, reserve
from tests.support.speaking_sessions import recorded
from tests.support.stacks import OTHER_SITE, Rows
from tests.support.upload_sessions import create, declare, pdf
from tests.support.viewers import ask, handshake, ticket, ticket_for, token_of, watching

CONNECTED = "SELECT count(*) AS connected FROM live_connections WHERE topic = %s"
MANY = 500


def connect_event(ticket: str | None, **headers: str) -> dict[str, Any]:
    """As API Gateway asks whether a WebSocket may open."""
    return {
        "headers": headers,
        "queryStringParameters": {"ticket": ticket} if ticket else None,
        "requestContext": {"routeKey": "$connect", "connectionId": new_token()},
    }


def at_once(number: int, work: Callable[[int], int]) -> Counter[int]:
    """How each of so many threads is answered that all begin at the same moment."""
    barrier = threading.Barrier(number)

    def one(index: int) -> int:
        barrier.wait(60)
        return work(index)

    with ThreadPoolExecutor(number) as threads:
        return Counter(threads.map(one, range(number)))


def connected(rows: Rows, topic: str) -> int:
    row = rows.execute(CONNECTED, (topic,)).fetchone()
    assert row is not None
    return int(row["connected"])


def test_a_ticket_is_used_once(http: httpx.Client) -> None:
    url = ticket_for(http, reserve(http))
    with watching(url) as viewer:
        assert viewer.hello()["state"]["status"] == "pending"
        assert handshake(url) == 403
        viewer.say(action="ping")
        assert viewer.hear() == {"action": "pong"}
    assert handshake(url) == 403


def test_of_two_that_use_one_ticket_at_once_one_is_let_in(http: httpx.Client) -> None:
    upload = reserve(http)
    for _ in range(5):
        url = ticket_for(http, upload)
        assert at_once(2, lambda _, url=url: handshake(url)) == {101: 1, 403: 1}  # type: ignore[misc]


def test_a_ticket_has_its_time(http: httpx.Client, rows: Rows) -> None:
    upload = reserve(http)
    late, in_time = ticket_for(http, upload), ticket_for(http, upload)
    rows.execute("UPDATE live_tickets SET expires_at = now() WHERE hash = %s", (token_hash(token_of(late)),))
    assert (handshake(late), handshake(in_time)) == (403, 101)


@pytest.mark.parametrize("query", ["", "?ticket=", f"?ticket={'x' * 43}", "?ticket=%00", "?other=1"])
def test_nothing_else_is_a_ticket(stack: LocalStack, query: str) -> None:
    assert handshake(f"{stack.live_url}{query}") == 403


def test_a_ticket_is_for_its_topic(http: httpx.Client) -> None:
    upload, other = confirmed(http), confirmed(http)
    session = create(http, pdf())
    with watching(ticket_for(http, upload)) as viewer:
        assert viewer.hello()["topic"] == f"image_job:{upload.id}"
        http.delete(f"/api/upload/{other.id}", headers=other.auth).raise_for_status()
        session.register(pdf())
        assert viewer.heard_so_far() == []


def test_a_foreign_page_is_refused_and_uses_up_nothing(http: httpx.Client, stack: LocalStack) -> None:
    url = ticket_for(http, reserve(http))
    for origin in ("https://evil.example.com", "null", f"{stack.url}.evil.example.com", "http://127.0.0.1:1"):
        assert handshake(url, origin) == 403
    assert handshake(url, stack.url) == 101


def test_own_and_allowed_pages_are_let_in(http: httpx.Client, stack: LocalStack) -> None:
    upload = reserve(http)
    for origin in (stack.url, stack.url.replace("127.0.0.1", "localhost"), OTHER_SITE, None):
        assert handshake(ticket_for(http, upload), origin) == 101


@pytest.mark.usefixtures("pushing")
def test_an_origin_counts_however_its_header_is_written(load_handler: Callable[[str], ModuleType]) -> None:
    connect = load_handler("live/connect").lambda_handler

    def answer(**headers: str) -> int:
        status: int = connect(connect_event("unknown", **headers), invocations.Context())["statusCode"]
        return status

    issue = load_handler("upload_sessions/create").lambda_handler
    for header in ("Origin", "origin", "ORIGIN"):
        event = invocations.api_event(
            "POST", "/api/mocs/uploads/sessions", json_body={"files": [pdf().declared]}, claims={"sub": "ada"}
        )
        url = json.loads(issue(event, invocations.Context())["body"])["liveUrl"]
        refused = connect(connect_event(token_of(url), **{header: "https://evil.example.com"}), invocations.Context())
        let_in = connect(connect_event(token_of(url), **{header: "https://other.example.com"}), invocations.Context())
        assert (refused, let_in) == ({"statusCode": 403}, {"statusCode": 200})
    assert answer() == 403


def test_the_eleventh_waits_until_one_leaves(http: httpx.Client, rows: Rows) -> None:
    upload, other = reserve(http), reserve(http)
    topic = f"image_job:{upload.id}"
    with ExitStack() as opened:
        viewers = [opened.enter_context(watching(ticket_for(http, upload))) for _ in range(10)]
        assert handshake(ticket_for(http, upload)) == 429
        assert handshake(ticket_for(http, other)) == 101, "each topic has its own ten"
        viewers[3].connection.close()
        while connected(rows, topic) == 10:
            pass  # until $disconnect has been heard
        with watching(ticket_for(http, upload)) as late:
            assert late.hello()["topic"] == topic
            upload.put()
            assert confirm(http, upload).status_code == 200
            for viewer in [late, *viewers[:3], *viewers[4:]]:
                assert viewer.hear()["state"]["status"] == "pending"


def test_of_twelve_at_once_ten_are_let_in(http: httpx.Client, rows: Rows) -> None:
    upload = reserve(http)
    urls = [ticket_for(http, upload) for _ in range(12)]
    opened, all_in = ExitStack(), threading.Barrier(12)

    def enter(index: int) -> int:
        try:
            status = handshake_held(urls[index])
        finally:
            all_in.wait(60)
        return status

    def handshake_held(url: str) -> int:
        from websockets.exceptions import InvalidStatus

        try:
            opened.enter_context(watching(url))
        except InvalidStatus as refused:
            return refused.response.status_code
        return 101

    with opened:
        assert at_once(12, enter) == {101: 10, 429: 2}
        assert connected(rows, f"image_job:{upload.id}") == 10


def test_of_five_hundred_tickets_for_one_job_ten_open_and_the_rest_are_refused(
    http: httpx.Client, stack: LocalStack, rows: Rows
) -> None:
    upload = reserve(http)
    secrets = [token_of(ticket_for(http, upload)) for _ in range(20)] + [new_token() for _ in range(MANY - 20)]
    rows.execute(
        "INSERT INTO live_tickets (hash, topic, expires_at)"
        " SELECT hash, %s, now() + interval '1 minute' FROM unnest(%s::text[]) AS hash ON CONFLICT DO NOTHING",
        (f"image_job:{upload.id}", [token_hash(secret) for secret in secrets]),
    )

    def knock(secret: str) -> int:
        outcome = stack.sandboxes.invoke("LiveConnectFunction", connect_event(secret))
        status: int = outcome.payload["statusCode"]
        return status

    with ThreadPoolExecutor(20) as threads:
        assert Counter(threads.map(knock, secrets)) == {200: 10, 429: MANY - 10}
        assert Counter(threads.map(knock, secrets[:20])) == {403: 20}, "a refused ticket is used up too"
    rows.execute("DELETE FROM live_connections WHERE topic = %s", (f"image_job:{upload.id}",))


@pytest.mark.usefixtures("pushing")
def test_tickets_have_a_limit_before_anything_is_written(
    load_handler: Callable[[str], ModuleType], database: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tickets, "TICKETS_PER_HOUR", 2)
    create_upload = load_handler("image_jobs/create").lambda_handler
    give = load_handler("image_jobs/live").lambda_handler

    def uploaded() -> tuple[str, str]:
        body = json.loads(create_upload(invocations.create(), invocations.Context())["body"])
        return body["uploadId"], body["sessionToken"]

    def asked(upload_id: str, token: str, **headers: str) -> dict[str, Any]:
        event = invocations.api_event(
            "POST",
            f"/api/status/{upload_id}/live",
            headers={"x-session-token": token} | headers,
            path_parameters={"jobId": upload_id},
        )
        answer: dict[str, Any] = give(event, invocations.Context())
        return answer

    first, second = uploaded(), uploaded()
    assert [asked(*first)["statusCode"] for _ in range(2)] == [201, 201]
    refused = asked(*first, **{"idempotency-key": "a-key-of-22-characters"})
    assert refused["statusCode"] == 429
    assert 1 <= int(refused["headers"]["retry-after"]) <= 3600
    assert json.loads(refused["body"])["nextAllowedAt"].endswith(":00:00.000Z")
    assert json.loads(refused["body"])["error"]["code"] == "TOO_MANY_REQUESTS"
    assert database.execute("SELECT count(*) FROM live_tickets").fetchone() == (2,)
    assert database.execute("SELECT count(*) FROM idempotency_keys").fetchone() == (0,)
    assert asked(*second)["statusCode"] == 201, "each topic has a limit of its own"


def test_where_progress_is_not_pushed_clients_are_told_to_poll(start_stack: Callable[..., LocalStack]) -> None:
    stack = start_stack(LIVE_UPDATES="off")
    assert stack.live_url is None
    with httpx.Client(base_url=stack.url, timeout=30) as http:
        upload, session, recording = reserve(http), create(http, pdf()), recorded(http)
        assert "liveUrl" not in declare(http, pdf()).json()
        refused = ask(http, f"/api/status/{upload.id}", **upload.auth)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "LIVE_UPDATES_OFF")
        for path in (session.path, f"/api/sessions/{recording}"):
            refused = ask(http, path)
            assert (refused.status_code, refused.json()["code"]) == (404, "LIVE_UPDATES_OFF")
        assert handshake(stack.url.replace("http", "ws") + "/live?ticket=x") == 403, "the endpoint is closed"
        assert session.send(pdf())
    with psycopg.connect(stack.database_url) as connection:
        assert connection.execute("SELECT count(*) FROM live_tickets").fetchone() == (0,)


def test_a_database_that_does_not_answer_is_no_refusal(
    load_handler: Callable[[str], ModuleType], pushing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inlet import database
    from inlet.settings import settings

    database.close()
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    settings.reload()
    answer = load_handler("live/connect").lambda_handler(connect_event("any"), invocations.Context())
    assert answer == {"statusCode": 503}


def test_the_ticket_of_a_recording_opens_it(http: httpx.Client) -> None:
    recording = recorded(http)
    with watching(ticket(http, f"/api/sessions/{recording}")) as viewer:
        assert viewer.hello()["topic"] == f"speaking_session:{recording}"
