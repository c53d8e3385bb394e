"""Every kind of change reaches who watches: as the state that its GET answers, each with a higher revision."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx

from inlet.image_jobs.rows import GENERATED_PROGRESS, PROGRESS
from local.stack import LocalStack
from tests.support.image_jobs import Upload, confirm, confirmed, process, reserve, status
from tests.support.recordings import tone
from tests.support.speaking_sessions import announce, put
from tests.support.stacks import Rows
from tests.support.upload_sessions import PART, File, Session, declare, expire, parts_list, pdf, png, put_parts
from tests.support.viewers import Viewer, ticket, ticket_for, watching

SIGNATURE = re.compile(r"\?[^\"]*X-Amz-[^\"]*")


def unsigned(state: Any) -> Any:
    """A state without what every answer signs anew."""
    told = json.loads(SIGNATURE.sub("?signed", json.dumps(state)))
    told.pop("audioUrlExpiresAt", None)
    return told


class Watched:
    """A viewer of what a GET answers."""

    def __init__(self, viewer: Viewer, read: Callable[[], httpx.Response]) -> None:
        self._viewer = viewer
        self._read = read
        self.revision = viewer.hello()["revision"]

    def hears(self, change: str) -> dict[str, Any]:
        """Hear of a change that was just made; return the state, which is the GET's. Nothing else was told."""
        answer = self._read().raise_for_status()
        state: dict[str, Any] = answer.json()
        told = self._viewer.heard_so_far()
        assert told, f"nobody was told of: {change}"
        revisions = [message["revision"] for message in told]
        assert [self.revision, *revisions] == sorted({self.revision, *revisions}), change
        assert unsigned(told[-1]["state"]) == unsigned(state), change
        assert all(message["revision"] == message["state"]["revision"] for message in told)
        assert answer.headers["etag"] == f'"{revisions[-1]}"', change
        self.revision = revisions[-1]
        return state


def watched_session(http: httpx.Client, viewer: Viewer, session_id: str) -> tuple[Session, Watched]:
    session = Session(http, session_id)
    return session, Watched(viewer, session.read)


def test_every_step_of_an_upload_session(http: httpx.Client) -> None:
    manual, cover, table = pdf(PART + 7), png(), parts_list()
    others = [png(filename=f"{number}.png") for number in range(2)]
    created = declare(http, manual, cover, table, *others).json()
    with watching(created["liveUrl"]) as viewer:
        session, watched = watched_session(http, viewer, created["sessionId"])

        registered = session.register(manual).json()
        state = watched.hears("register")
        assert [file["status"] for file in state["files"]] == ["registered", *["declared"] * 4]
        etags = put_parts(registered["parts"][:1], manual)
        session.parts(registered["fileId"])
        assert watched.hears("list parts")["files"][0]["verifiedBytes"] == PART
        batch = session.register_batch(cover, table, *others).json()["results"]
        watched.hears("a batch")

        etags |= put_parts(registered["parts"][1:], manual)
        assert session.complete(registered["fileId"], etags).status_code == 200
        assert watched.hears("complete")["progress"]["filesCompleted"] == 1
        sent = [
            (result["file"]["fileId"], put_parts(result["file"]["parts"], file))
            for result, file in zip(batch, (cover, table, *others), strict=True)
        ]
        assert session.complete_files(sent[:2]).status_code == 200
        assert watched.hears("complete many")["progress"]["filesCompleted"] == 3
        assert session.finalize(sent[2:]).status_code == 200
        state = watched.hears("finalize, which completes the last ones")
        assert (state["status"], state["progress"]["filesCompleted"]) == ("completed", 5)


def test_a_session_that_is_refused_goes_on_and_is_given_up(http: httpx.Client) -> None:
    lie = File(b"\x89PNG\r\n\x1a\n" + bytes(100))
    created = declare(http, lie).json()
    with watching(created["liveUrl"]) as viewer:
        session, watched = watched_session(http, viewer, created["sessionId"])
        session.send(lie)
        watched.hears("sent")
        assert session.finalize().status_code == 422
        state = watched.hears("finalize refused")
        assert (state["status"], state["files"][0]["status"]) == ("active", "declared")
        assert session.abort().status_code == 204
        assert watched.hears("abort")["status"] == "aborted"


def test_what_stock_uppy_does(http: httpx.Client) -> None:
    file = pdf()
    created = declare(http, file).json()
    with watching(created["liveUrl"]) as viewer:
        _, watched = watched_session(http, viewer, created["sessionId"])
        body = {"filename": file.filename, "type": file.mime_type, "metadata": {}}
        multipart = f"{created['companionPath']}/s3/multipart"
        begun = http.post(multipart, json=body).raise_for_status().json()
        watched.hears("begun")
        key = {"key": begun["key"]}
        signed = http.get(f"{multipart}/{begun['uploadId']}/1", params=key).raise_for_status().json()
        etag = httpx.put(signed["url"], content=file.content).raise_for_status().headers["etag"]
        http.get(f"{multipart}/{begun['uploadId']}", params=key).raise_for_status()
        watched.hears("listed")
        parts = {"parts": [{"PartNumber": 1, "ETag": etag}]}
        http.post(f"{multipart}/{begun['uploadId']}/complete", json=parts, params=key).raise_for_status()
        assert watched.hears("completed")["files"][0]["status"] == "completed"


def test_the_sweeper_tells_that_a_session_has_expired(http: httpx.Client, stack: LocalStack, rows: Rows) -> None:
    created = declare(http, pdf()).json()
    with watching(created["liveUrl"]) as viewer:
        session, watched = watched_session(http, viewer, created["sessionId"])
        expire(rows, session)
        assert stack.sandboxes.invoke("OperationsSweepFunction", {}).error is None
        assert watched.hears("expired")["status"] == "expired"


def test_every_step_of_an_image_job(http: httpx.Client, stack: LocalStack) -> None:
    upload = reserve(http)
    with watching(ticket_for(http, upload)) as viewer:
        watched = Watched(viewer, lambda: status(http, upload))
        upload.put()
        assert confirm(http, upload).status_code == 200
        watched.hears("confirm")
        assert process(http, upload).status_code == 202
        told = viewer.hear_until(lambda message: message["state"]["status"] == "completed")
        assert told[-1]["state"] == status(http, upload).json()
        # Whoever started it tells as well, at the same time as the first stages: the revision says which is newer.
        by_revision = {message["revision"]: message["state"] for message in told}
        assert all(by_revision[message["revision"]] == message["state"] for message in told)
        assert min(by_revision) > watched.revision
        states = [(state["stage"], state["progress"]) for _, state in sorted(by_revision.items())]
        assert [state for state in states if state != (None, 0)] == [
            ("validating", PROGRESS["validating"]),
            ("generating", PROGRESS["generating"]),
            ("generating", GENERATED_PROGRESS),
            ("storing", PROGRESS["storing"]),
            ("watermarking", PROGRESS["watermarking"]),
            ("complete", PROGRESS["complete"]),
        ]
        watched.revision = max(by_revision)
        assert stack.sandboxes.invoke("OperationsReleaseFunction", {"uploadId": upload.id}).error is None
        watched.hears("released")


def test_a_job_that_fails_says_why(http: httpx.Client) -> None:
    upload = confirmed(http, b"no picture")
    with watching(ticket_for(http, upload)) as viewer:
        process(http, upload)
        told = viewer.hear_until(lambda message: message["state"]["status"] == "failed")
        assert told[-1]["state"] == status(http, upload).json()
        assert told[-1]["state"]["errorMessage"]


def test_the_sweeper_tells_of_a_job_whose_execution_is_gone(http: httpx.Client, stack: LocalStack, rows: Rows) -> None:
    upload = confirmed(http)
    client, machine = stack.engine.client(), stack.template.state_machines[0].arn
    name = f"{upload.id}-1"
    execution = client.start_execution(stateMachineArn=machine, name=name, input="{}")["executionArn"]
    client.stop_execution(executionArn=execution)
    while client.describe_execution(executionArn=execution)["status"] == "RUNNING":
        pass  # until its task, and what waits to try it again, has heard
    rows.execute(
        "UPDATE uploads SET status = 'processing', attempt = 1, workflow_run_id = %s,"
        " updated_at = now() - interval '1 hour' WHERE id = %s",
        (execution, upload.id),
    )
    with watching(ticket_for(http, upload)) as viewer:
        watched = Watched(viewer, lambda: status(http, upload))
        assert stack.sandboxes.invoke("OperationsSweepFunction", {}).error is None
        assert watched.hears("closed by the sweeper")["status"] == "failed"


def test_a_recording_arrives(http: httpx.Client) -> None:
    content = tone()
    announced = announce(http, size=len(content)).json()
    path = f"/api/sessions/{announced['id']}"
    with watching(ticket(http, path)) as viewer:
        watched = Watched(viewer, lambda: http.get(path))
        put(announced, content).raise_for_status()
        assert http.post(f"{path}/complete").status_code == 200
        state = watched.hears("complete")
        assert state["status"] == "UPLOADED"
        assert httpx.get(state["audioUrl"]).content == content


def test_two_viewers_are_told_the_same(http: httpx.Client) -> None:
    file = pdf()
    created = declare(http, file).json()
    session = Session(http, created["sessionId"])
    with watching(created["liveUrl"]) as one, watching(ticket(http, session.path)) as other:
        session.send(file)
        heard = one.heard_so_far()
        assert [message["state"]["progress"]["filesCompleted"] for message in heard][-1] == 1
        assert other.heard_so_far() == heard


def test_a_change_that_is_none_is_not_told(http: httpx.Client, finished: Upload) -> None:
    with watching(ticket_for(http, finished)) as viewer:
        assert process(http, finished).status_code == 409
        assert confirm(http, finished).status_code == 409
        assert viewer.heard_so_far() == []


def test_a_connection_past_its_time_is_told_nothing(http: httpx.Client, rows: Rows) -> None:
    created = declare(http, pdf()).json()
    with watching(created["liveUrl"]) as viewer:
        session = Session(http, created["sessionId"])
        viewer.hello()
        rows.execute(
            "UPDATE live_connections SET expires_at = now() WHERE topic = %s", (f"upload_session:{session.id}",)
        )
        session.register(pdf())
        assert viewer.heard_so_far() == []
