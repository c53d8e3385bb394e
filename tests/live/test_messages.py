"""What a viewer says, and what it is told: `hello`, `ping`, reported bytes, and nothing for anything else."""

import json
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from inlet.identifiers import new_uuid
from local.stack import LocalStack
from tests.support.image_jobs import Upload, confirmed, reserve, status
from tests.support.live import Viewer, handshake, ticket, ticket_for, watching
from tests.support.stacks import Rows
from tests.support.upload_sessions import Session, create, pdf

PONG = {"action": "pong"}


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


def test_what_was_deleted_is_not_told(http: httpx.Client) -> None:
    upload = confirmed(http)
    with watching(ticket_for(http, upload)) as viewer:
        assert http.delete(f"/api/upload/{upload.id}", headers=upload.auth).status_code == 204
        viewer.say(action="hello")
        viewer.say(action="ping")
        assert viewer.hear() == PONG


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
        '{"action": "$connect"}',
        '{"action": "$disconnect"}',
        '{"action": "hello", "action": "ping"}',
        '{"action": NaN}',
        '{"topic": "image_job:other"}',
        "[" * 1000,
        "{" + " " * 100_000 + "}",
    ],
)
def test_nonsense_is_left_unanswered_and_does_no_harm(http: httpx.Client, said: str) -> None:
    with watching(ticket_for(http, reserve(http))) as viewer:
        viewer.connection.send(said)
        assert viewer.heard_so_far() == []
        assert viewer.hello()["state"]["status"] == "pending"


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
    def viewers(self, http: httpx.Client, session: Session) -> Any:
        with ExitStack() as opened:
            yield [opened.enter_context(watching(ticket(http, session.path))) for _ in range(3)]

    def test_the_others_hear_it_and_nobody_else(
        self, http: httpx.Client, session: Session, viewers: list[Viewer]
    ) -> None:
        file_id = session.register(pdf()).json()["fileId"]
        for viewer in viewers:
            viewer.hear()
        with watching(ticket(http, create(http, pdf()).path)) as stranger:
            viewers[0].say(action="progress", fileId=file_id, sent=123)
            assert viewers[0].heard_so_far() == [], "and the call is over"
            told = {"topic": f"upload_session:{session.id}", "fileId": file_id, "reportedBytes": 123}
            assert [viewer.hear() for viewer in viewers[1:]] == [told, told]
            assert stranger.heard_so_far() == []
        assert session.read().json()["files"][0]["verifiedBytes"] == 0, "it is nobody's truth"

    def test_one_a_second_from_each(self, rows: Rows, session: Session, viewers: list[Viewer]) -> None:
        first, second, listener = viewers
        file_id = new_uuid()
        topic = {"topic": f"upload_session:{session.id}"}

        def report(viewer: Viewer, sent: int) -> None:
            viewer.say(action="progress", fileId=file_id, sent=sent)
            viewer.heard_so_far()

        report(first, 1)
        rows.execute("UPDATE live_connections SET reported_at = reported_at + interval '1 hour'")
        report(first, 2)
        report(second, 3)
        assert [message["reportedBytes"] for message in listener.heard_so_far()] == [1, 3]
        statement = "UPDATE live_connections SET reported_at = now() - interval '1 second' WHERE topic = %(topic)s"
        rows.execute(statement, topic)
        report(first, 4)
        assert [message["reportedBytes"] for message in listener.heard_so_far()] == [4]

    @pytest.mark.parametrize(
        ("file_id", "sent"),
        [
            (new_uuid(), -1),
            (new_uuid(), 2**53),
            (new_uuid(), 1.5),
            (new_uuid(), True),
            (new_uuid(), "5"),
            (new_uuid(), None),
            ("../../etc/passwd", 5),
            ("", 5),
            (7, 5),
        ],
    )
    def test_what_is_no_number_of_bytes_of_a_file_is_not_told(
        self, viewers: list[Viewer], file_id: Any, sent: Any
    ) -> None:
        viewers[0].say(action="progress", fileId=file_id, sent=sent)
        viewers[0].heard_so_far()
        assert viewers[1].heard_so_far() == []

    def test_only_an_upload_session_has_reports(self, http: httpx.Client, finished: Upload) -> None:
        with watching(ticket_for(http, finished)) as reporter, watching(ticket_for(http, finished)) as other:
            reporter.say(action="progress", fileId=new_uuid(), sent=5)
            reporter.heard_so_far()
            assert other.heard_so_far() == []


def test_deleting_a_user_ends_what_they_watch(http: httpx.Client, stack: LocalStack, rows: Rows) -> None:
    session, upload = create(http, pdf()), reserve(http)
    unused = ticket(http, session.path)
    with watching(ticket(http, session.path)) as viewer, watching(ticket_for(http, upload)) as bystander:
        assert viewer.hello()["topic"] == f"upload_session:{session.id}"
        assert http.delete("/api/me").status_code == 202
        viewer.say(action="hello")
        assert viewer.heard_so_far() == [], "not even that it is gone"
        assert bystander.hello()["topic"] == f"image_job:{upload.id}"
        assert handshake(unused) == 403
    assert rows.execute("SELECT FROM live_tickets WHERE user_id IS NOT NULL").rowcount == 0
    assert rows.execute("SELECT FROM live_connections WHERE user_id IS NOT NULL").rowcount == 0
