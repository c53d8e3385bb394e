"""What a viewer says, and what it is told: `hello`, `ping`, reported bytes, and nothing for anything else."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from inlet.identifiers import new_uuid
from local.stack import LocalStack
from tests.support.image_jobs import Upload, confirmed, reserve, status
from tests.support.stacks import Rows
from tests.support.upload_sessions import Session, create, pdf
from tests.support.viewers import Viewer, handshake, ticket, ticket_for, watch, watching

FILE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def session(http: httpx.Client) -> Session:
    return create(http, pdf())


def test_hello_is_answered_with_the_state_of_its_get(http: httpx.Client, finished: Upload) -> None:
    with watching(ticket_for(http, finished)) as viewer:
        state = status(http, finished).json()
        expected = {"topic": f"image_job:{finished.id}", "revision": state["revision"], "state": state}
        assert viewer.hello() == expected
        assert viewer.hello() == expected, "as often as it asks"


def test_whoever_does_not_say_hello_is_told_changes_all_the_same(http: httpx.Client, session: Session) -> None:
    with watching(ticket(http, session.path)) as viewer:
        session.register(pdf())
        assert viewer.hear()["state"]["files"][0]["status"] == "registered"


def speak(stack: LocalStack, rows: Rows, topic: str, said: str) -> Any:
    """Say something on the one connection that watches a topic; return what its function answers when it is done."""
    [row] = rows.execute("SELECT connection_id FROM live_connections WHERE topic = %s", (topic,)).fetchall()
    event = {"body": said, "requestContext": {"routeKey": "$default", "connectionId": row["connection_id"]}}
    outcome = stack.sandboxes.invoke("LiveMessageFunction", event)
    assert outcome.error is None, outcome.error
    return outcome.payload


def test_what_was_deleted_is_not_told(http: httpx.Client, stack: LocalStack, rows: Rows) -> None:
    upload = confirmed(http)
    with watching(ticket_for(http, upload)) as viewer:
        assert http.delete(f"/api/upload/{upload.id}", headers=upload.auth).status_code == 204
        assert speak(stack, rows, f"image_job:{upload.id}", '{"action": "hello"}') == {"statusCode": 200}
        assert viewer.heard_so_far() == []


@pytest.mark.parametrize(
    "said",
    [
        "",
        "nonsense",
        "[]",
        '"hello"',
        "null",
        '{"action": "Hello"}',
        '{"action": null}',
        '{"action": ["hello"]}',
        '{"action": "hello", "action": "ping"}',
        '{"action": NaN}',
        '{"topic": "image_job:other"}',
        "[" * 1000,
        "{" + " " * 30_000 + "}",
    ],
)
def test_nonsense_is_left_unanswered_and_does_no_harm(
    http: httpx.Client, stack: LocalStack, rows: Rows, said: str
) -> None:
    upload = reserve(http)
    with watching(ticket_for(http, upload)) as viewer:
        assert speak(stack, rows, f"image_job:{upload.id}", said) == {"statusCode": 400}
        viewer.connection.send(said)
        assert viewer.hello()["state"]["status"] == "pending"
        assert viewer.heard_so_far() == []


def test_hello_tells_nobody_elses_topic(http: httpx.Client, finished: Upload) -> None:
    upload = reserve(http)
    with watching(ticket_for(http, upload)) as viewer:
        viewer.say(action="hello", topic=f"image_job:{finished.id}", jobId=finished.id)
        assert viewer.hear()["topic"] == f"image_job:{upload.id}"


@pytest.mark.parametrize("said", [b"\x00\x01", json.dumps({"action": "ping", "filler": "x" * 128 * 1024})])
def test_bytes_and_long_messages_end_the_connection(http: httpx.Client, rows: Rows, said: str | bytes) -> None:
    upload = reserve(http)
    with watching(ticket_for(http, upload)) as viewer:
        viewer.connection.send(said)
        with pytest.raises(ConnectionClosed):
            viewer.connection.recv(timeout=20)
    while rows.execute("SELECT FROM live_connections WHERE topic = %s", (f"image_job:{upload.id}",)).rowcount:
        pass  # until $disconnect has been heard


class TestReports:
    """`progress`: one viewer's word of what it has sent, for the others."""

    @pytest.fixture
    def viewers(self, http: httpx.Client, session: Session) -> Iterator[list[Viewer]]:
        with ExitStack() as opened:
            yield [opened.enter_context(watching(ticket(http, session.path))) for _ in range(3)]

    @pytest.fixture
    def report(self, stack: LocalStack, rows: Rows, session: Session) -> Iterator[Callable[..., None]]:
        """Have somebody else report, by a connection whose socket nobody needs; until all are told."""

        def reported(said: dict[str, Any], reporter: str = "reporter", topic: str | None = None) -> None:
            if not rows.execute("SELECT FROM live_connections WHERE connection_id = %s", (reporter,)).rowcount:
                watch(rows, topic or f"upload_session:{session.id}", reporter)
            event = {"body": json.dumps({"action": "progress"} | said), "requestContext": {"connectionId": reporter}}
            assert stack.sandboxes.invoke("LiveMessageFunction", event).error is None

        yield reported
        rows.execute("DELETE FROM live_connections WHERE connection_id LIKE 'reporter%'")

    def test_the_others_hear_it_and_nobody_else(
        self, http: httpx.Client, session: Session, viewers: list[Viewer]
    ) -> None:
        file_id = session.register(pdf()).json()["fileId"]
        for viewer in viewers:
            viewer.hear()
        with watching(ticket(http, create(http, pdf()).path)) as stranger:
            viewers[0].say(action="progress", fileId=file_id, sent=123)
            told = {"topic": f"upload_session:{session.id}", "fileId": file_id, "reportedBytes": 123}
            assert [viewer.hear() for viewer in viewers[1:]] == [told, told]
            assert stranger.heard_so_far() == []
            assert viewers[0].heard_so_far() == []
        assert session.read().json()["files"][0]["verifiedBytes"] == 0, "it is nobody's truth"

    def test_one_a_second_from_each(self, rows: Rows, viewers: list[Viewer], report: Callable[..., None]) -> None:
        file_id = new_uuid()

        def heard() -> list[int]:
            return [message["reportedBytes"] for message in viewers[0].heard_so_far()]

        report({"fileId": file_id, "sent": 1})
        rows.execute("UPDATE live_connections SET reported_at = reported_at + interval '1 hour'")
        report({"fileId": file_id, "sent": 2})
        report({"fileId": file_id, "sent": 3}, "reporter of another device")
        assert heard() == [1, 3]
        rows.execute("UPDATE live_connections SET reported_at = now() - interval '1 second'")
        report({"fileId": file_id, "sent": 4})
        assert heard() == [4]

    @pytest.mark.parametrize(
        ("file_id", "sent"),
        [
            (FILE, -1),
            (FILE, 2**53),
            (FILE, 1.5),
            (FILE, True),
            (FILE, "5"),
            (FILE, None),
            ("../../etc/passwd", 5),
            ("", 5),
            (7, 5),
        ],
    )
    def test_what_is_no_number_of_bytes_of_a_file_is_not_told(
        self, viewers: list[Viewer], report: Callable[..., None], file_id: Any, sent: Any
    ) -> None:
        report({"fileId": file_id, "sent": sent})
        assert [viewer.heard_so_far() for viewer in viewers] == [[], [], []]

    def test_only_an_upload_session_has_reports(
        self, http: httpx.Client, finished: Upload, report: Callable[..., None]
    ) -> None:
        with watching(ticket_for(http, finished)) as viewer:
            report({"fileId": new_uuid(), "sent": 5}, topic=f"image_job:{finished.id}")
            assert viewer.heard_so_far() == []


def test_deleting_a_user_ends_what_they_watch(http: httpx.Client, stack: LocalStack, rows: Rows) -> None:
    session, upload = create(http, pdf()), reserve(http)
    unused = ticket(http, session.path)
    with watching(ticket(http, session.path)) as viewer, watching(ticket_for(http, upload)) as bystander:
        assert viewer.hello()["topic"] == f"upload_session:{session.id}"
        [row] = rows.execute("SELECT connection_id FROM live_connections WHERE user_id IS NOT NULL").fetchall()
        assert http.delete("/api/me").status_code == 202
        event = {"body": '{"action": "hello"}', "requestContext": {"connectionId": row["connection_id"]}}
        assert stack.sandboxes.invoke("LiveMessageFunction", event).payload == {"statusCode": 200}
        assert viewer.heard_so_far() == [], "not even that it is gone"
        assert bystander.hello()["topic"] == f"image_job:{upload.id}"
        assert handshake(unused) == 403
    assert rows.execute("SELECT FROM live_tickets WHERE user_id IS NOT NULL").rowcount == 0
    assert rows.execute("SELECT FROM live_connections WHERE user_id IS NOT NULL").rowcount == 0
