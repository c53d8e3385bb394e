"""Live progress on this machine: a job's pushes over the real stack, and the switch that turns them off."""

import uuid
from collections.abc import Callable

import httpx
import psycopg

from local.stack import LocalStack
from tests.support import image_jobs, live
from tests.support.stacks import Rows

WATCH = """
INSERT INTO live_connections (connection_id, topic, expires_at)
VALUES (%s, %s, now() + interval '2 hours 10 minutes' - make_interval(secs => %s))
"""


def test_a_job_is_told_stage_by_stage_and_as_its_get_returns_it(http: httpx.Client) -> None:
    upload = image_jobs.confirmed(http)
    with live.watching(http, upload) as socket:
        first = live.say(socket, action="hello")
        assert first["topic"] == f"image_job:{upload.id}"
        assert first["state"] == image_jobs.status(http, upload).json()
        assert live.say(socket, action="ping") == {"action": "pong"}
        assert image_jobs.process(http, upload).status_code == 202
        told = [first, *live.until_it_ends(socket)]
    assert all(push["revision"] == push["state"]["revision"] for push in told)
    newest = [
        push
        for number, push in enumerate(told)
        if all(before["revision"] < push["revision"] for before in told[:number])
    ]
    stages = [push["state"]["stage"] for push in newest]
    order = [None, "validating", "generating", "storing", "watermarking", "complete"]
    assert stages == sorted(stages, key=order.index), "a client that takes the newer only sees it move forward"
    assert len(set(stages) - {None, "complete"}) >= 2, "stages were told while they ran"
    assert told[-1]["state"] == image_jobs.status(http, upload).json()


def test_rows_of_connections_that_ended_unheard_go_and_those_about_to_stand_stay(
    http: httpx.Client, rows: Rows
) -> None:
    """API Gateway answers 410 for both: while `$connect` has let somebody in who is not there yet, too."""
    upload = image_jobs.confirmed(http)
    stale, coming = f"{uuid.uuid4()}=", f"{uuid.uuid4()}="
    for connection, age_seconds in ((stale, 60), (coming, 0)):
        rows.execute(WATCH, [connection, f"image_job:{upload.id}", age_seconds])
    assert image_jobs.process(http, upload).status_code == 202
    watching = rows.execute("SELECT connection_id FROM live_connections WHERE topic = %s", [f"image_job:{upload.id}"])
    assert [row["connection_id"] for row in watching] == [coming]
    assert image_jobs.wait(http, upload)["status"] == "completed"


def test_switched_off_there_is_no_ticket_and_nothing_is_posted(start_stack: Callable[..., LocalStack]) -> None:
    stack = start_stack(LIVE_UPDATES="off")
    with httpx.Client(base_url=stack.url, timeout=30) as http:
        upload = image_jobs.confirmed(http)
        with psycopg.connect(stack.database_url, autocommit=True) as connection:  # watched when it was on
            connection.execute(WATCH, ["of-before=", f"image_job:{upload.id}", 60])
        refused = http.post(f"/api/status/{upload.id}/live", headers=upload.auth)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "LIVE_UPDATES_OFF")
        assert http.get("/live", headers={"Connection": "Upgrade", "Upgrade": "websocket"}).status_code != 101
        assert image_jobs.process(http, upload).status_code == 202
        assert image_jobs.wait(http, upload)["status"] == "completed"
    assert "push" not in stack.function_log.read_text()
