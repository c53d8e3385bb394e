"""Publishing costs nothing where nobody watches, and does no harm where those who watch, or their door, misbehave."""

import time
from collections.abc import Callable, Iterator
from random import SystemRandom
from typing import Any, NamedTuple
from unittest.mock import Mock

import pytest

from inlet import identifiers, live, live_table
from inlet.errors import UploadNotFound
from inlet.image_jobs import jobs_table
from inlet.settings import settings
from inlet.workflow import Workflow
from local_aws.ports import HOST, free_port
from tests.support.connections_stand_in import Connections
from tests.support.in_process import InProcess
from tests.support.invocations import process, status
from tests.support.stacks import Rows
from tests.support.upload_sessions import pdf
from tests.support.viewers import watch
from tests.support.worlds import upload_sessions
from tests.unit.test_adapters import UNREACHABLE, made

SOON_SECONDS = 5
"""Half of what a door that hangs would cost if nobody gave it up."""
TEN = [f"viewer-{number}" for number in range(10)]
PUSH = ["SELECT", "PostToConnection"]
FAIL = "ImageStagesFailFunction"


@pytest.fixture
def functions(pushing: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcess]:
    """The functions in this process; what they start as a workflow is nobody's concern here."""
    monkeypatch.setenv("STATE_MACHINE_ARN", "arn:aws:states:us-east-1:123456789012:stateMachine:image")
    monkeypatch.setattr(Workflow, "start", lambda *_: None)
    monkeypatch.setattr(SystemRandom, "random", lambda _: 0.5)  # no status read is among those that are sampled
    settings.reload()
    yield InProcess()
    settings.reload()


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Counts the clients that are asked for."""
    asked = Mock(wraps=live.client)
    monkeypatch.setattr(live, "client", asked)
    return asked


class Job(NamedTuple):
    """A job, and who may ask about it."""

    id: str
    token: str

    @property
    def topic(self) -> str:
        return f"image_job:{self.id}"

    def fails(self) -> dict[str, Any]:
        """Return what the workflow says when it gives the job up."""
        return {"uploadId": self.id, "attempt": 1, "error": {"Error": "States.Timeout"}}


def planted(rows: Rows, state: str = "pending") -> Job:
    """A confirmed job, or one that is processed."""
    job = Job(identifiers.new_upload_id(), identifiers.new_token())
    rows.execute(
        "INSERT INTO uploads (id, email, session_token_hash, original_url, content_type, etag, confirmed_at, status,"
        "                     attempt)"
        " VALUES (%s, 'e', %s, %s, 'image/png', 'etag', now(), %s, %s)",
        (job.id, identifiers.token_hash(job.token), job.id, state, 1 if state == "processing" else 0),
    )
    return job


def test_where_nobody_watches_no_client_is_made_and_nothing_is_asked(
    functions: InProcess, world_rows: Rows, clients: Mock, connections: Connections
) -> None:
    """The statements of a call are as many as they were before anything was pushed."""
    watch(world_rows, "image_job:another", "viewer")
    job, running = planted(world_rows), planted(world_rows, "processing")
    assert functions.invoke("ImageJobsStatusFunction", status(*job)).effects == ["SELECT"]
    started = functions.invoke("ImageJobsProcessFunction", process(*job))
    assert (started.status, started.effects) == (202, ["SELECT", "UPDATE uploads"])
    assert functions.invoke(FAIL, running.fails()).effects == ["UPDATE uploads"]
    assert clients.call_count == 0
    assert connections.posted == []


def test_where_somebody_watches_the_state_is_read_once_more(
    functions: InProcess, world_rows: Rows, connections: Connections
) -> None:
    job, running = planted(world_rows), planted(world_rows, "processing")
    watch(world_rows, job.topic, *TEN)
    watch(world_rows, running.topic, "viewer")
    assert functions.invoke("ImageJobsStatusFunction", status(*job)).effects == ["SELECT"]
    started = functions.invoke("ImageJobsProcessFunction", process(*job))
    assert started.effects == ["SELECT", "UPDATE uploads", "SELECT", *["PostToConnection"] * 10]
    assert functions.invoke(FAIL, running.fails()).effects == ["UPDATE uploads", *PUSH]
    told = [connections.told(viewer) for viewer in TEN]
    assert told == [told[0]] * 10
    assert [message["state"]["status"] for message in told[0]] == ["processing"]
    assert connections.told("viewer")[0]["state"]["status"] == "failed"


def test_what_was_told_once_is_not_told_by_the_next_call(
    functions: InProcess, world_rows: Rows, connections: Connections
) -> None:
    first, second = planted(world_rows, "processing"), planted(world_rows, "processing")
    watch(world_rows, first.topic, "viewer")
    functions.invoke(FAIL, first.fails())
    functions.invoke(FAIL, second.fails())
    assert len(connections.posted) == 1


def test_a_viewer_that_went_away_without_a_word_is_forgotten(
    functions: InProcess, world_rows: Rows, connections: Connections
) -> None:
    job = planted(world_rows, "processing")
    watch(world_rows, job.topic, "gone", "there")
    connections.answers["gone"] = 410
    functions.invoke(FAIL, job.fails())
    left = world_rows.execute("SELECT connection_id FROM live_connections").fetchall()
    assert left == [{"connection_id": "there"}]
    assert len(connections.told("there")) == 1


def test_a_viewer_whose_handshake_is_under_way_is_kept(
    functions: InProcess, world_rows: Rows, connections: Connections
) -> None:
    """API Gateway says 410 of it too, and would never tell it anything again."""
    job = planted(world_rows, "processing")
    live_table.issue(identifiers.token_hash("ticket"), job.topic, None)
    assert live_table.connect(identifiers.token_hash("ticket"), "coming")
    connections.answers["*"] = 410
    functions.invoke(FAIL, job.fails())
    assert connections.told("coming")
    assert world_rows.execute("SELECT FROM live_connections").rowcount == 1


@pytest.mark.parametrize("answer", ["hang", 403, 413, 429, 500, None])
def test_a_door_that_misbehaves_changes_no_answer(
    functions: InProcess, world_rows: Rows, connections: Connections, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    """Nor does one that nobody opens (None). The call ends as without those who watch, and soon."""
    unwatched = functions.invoke("ImageJobsProcessFunction", process(*planted(world_rows)))
    if answer is None:
        monkeypatch.setenv("LIVE_ENDPOINT_URL", f"http://{HOST}:{free_port()}")
        settings.reload()
    else:
        connections.answers["*"] = answer
        monkeypatch.setattr(live, "PATIENCE_SECONDS", 1 if answer == "hang" else 10)
    live.client()  # as in a function that has pushed before
    job, running = planted(world_rows), planted(world_rows, "processing")
    for watched in (job, running):
        watch(world_rows, watched.topic, *(f"{watched.id}-{viewer}" for viewer in TEN))
    for name, event, expected in (
        ("ImageJobsProcessFunction", process(*job), unwatched.payload["statusCode"]),
        (FAIL, running.fails(), None),
    ):
        begun = time.monotonic()
        run = functions.invoke(name, event)
        assert time.monotonic() - begun < SOON_SECONDS
        assert run.error is None
        assert run.payload.get("statusCode") == expected
        assert run.effects[-10:] == ["PostToConnection"] * 10, "nothing is tried twice"
    read = functions.invoke("ImageJobsStatusFunction", status(*running)).body
    assert read["status"] == "failed", "the next poll tells"
    assert world_rows.execute("SELECT FROM live_connections").rowcount == 20, "they may still be there"


def test_many_topics_at_once_take_no_longer_than_one(
    functions: InProcess, world_rows: Rows, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a sweep, while the door hangs."""
    monkeypatch.setattr(live, "PATIENCE_SECONDS", 1)
    live.client()
    sessions = [functions.invoke(*called(upload_sessions.create(pdf()))).body["sessionId"] for _ in range(10)]
    for session in sessions:
        watch(world_rows, f"upload_session:{session}", session, user=upload_sessions.USER)
    world_rows.execute("UPDATE upload_sessions SET expires_at = now()")
    connections.answers["*"] = "hang"
    begun = time.monotonic()
    assert functions.invoke("OperationsSweepFunction", {}).payload["expired"] == 10
    assert time.monotonic() - begun < SOON_SECONDS, "not a second for each"


def called(call: upload_sessions.Call) -> tuple[str, dict[str, Any]]:
    return call.function, call.event


def test_no_error_of_the_sdk_leaves(functions: InProcess, world_rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    job = planted(world_rows, "processing")
    watch(world_rows, job.topic, "viewer")
    for kind in UNREACHABLE:
        world_rows.execute("UPDATE uploads SET status = 'processing', stage = NULL WHERE id = %s", (job.id,))
        monkeypatch.setattr(live, "client", lambda kind=kind: Mock(post_to_connection=Mock(side_effect=made(kind))))
        assert functions.invoke(FAIL, job.fails()).error is None, kind


@pytest.mark.parametrize("error", [UploadNotFound(), RuntimeError("a bug")])
def test_a_state_that_cannot_be_read_is_not_told(
    functions: InProcess,
    world_rows: Rows,
    connections: Connections,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    job = planted(world_rows, "processing")
    watch(world_rows, job.topic, "viewer")
    monkeypatch.setattr(jobs_table, "status", Mock(side_effect=error))
    assert functions.invoke(FAIL, job.fails()).error is None
    assert connections.posted == []


def test_rows_of_a_stack_that_pushes_no_more_do_no_harm(
    functions: InProcess, world_rows: Rows, clients: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVE_ENDPOINT_URL", "")
    settings.reload()
    job = planted(world_rows, "processing")
    watch(world_rows, job.topic, "viewer")
    assert functions.invoke(FAIL, job.fails()).effects == ["UPDATE uploads"]
    assert clients.call_count == 0


def test_a_change_that_another_one_undoes_is_told_as_it_is(
    functions: InProcess, world_rows: Rows, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push reads the state anew: of two changes in a row the later one is told, never an older one."""
    job = planted(world_rows, "processing")
    watch(world_rows, job.topic, "viewer")
    read: Callable[[str], Any] = jobs_table.status

    def overtaken(upload_id: str) -> Any:
        world_rows.execute("UPDATE uploads SET progress = 33 WHERE id = %s", (upload_id,))
        return read(upload_id)

    monkeypatch.setattr(jobs_table, "status", overtaken)
    functions.invoke(FAIL, job.fails())
    [message] = connections.told("viewer")
    row = world_rows.execute("SELECT revision FROM uploads WHERE id = %s", (job.id,)).fetchone()
    assert row == {"revision": message["revision"]}
    assert message["state"]["progress"] == 33
