"""What goes without being asked for again: late objects, abandoned sessions, and deletions a bucket slept through."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from local.stack import LocalStack
from local_aws import s3_server
from local_aws.s3_server import S3Server
from tests.support.stacks import ANY_ORIGIN, storage_settings
from tests.support.worlds.speaking_sessions import RECORDING, SpeakingSessionsWorld, put_to


def test_an_object_that_lands_after_its_sessions_end_goes_too(world: SpeakingSessionsWorld) -> None:
    announcement = world.announce().body
    assert world.delete(announcement["id"]).body == {"ok": True}
    put_to(announcement, RECORDING)  # the URL still works
    world.sweep()
    assert world.recorded_ids() == [announcement["id"]]  # while it could come once more
    due = world.rows.execute("SELECT FROM object_deletions WHERE not_before > now() + interval '50 minutes'")
    assert due.rowcount == 1
    world.assert_nothing_is_left_over()
    assert world.recorded_ids() == []


def test_a_bucket_that_is_down_stops_no_deletion(start_stack: Callable[..., LocalStack], tmp_path: Path) -> None:
    server = S3Server(tmp_path / "s3").start()
    s3_server.ensure_bucket(server.client(), "recordings", [ANY_ORIGIN])
    stack = start_stack(**storage_settings(server, "recordings"))

    def keys() -> list[str]:
        return [known["Key"] for known in stack.storage.list_objects_v2(Bucket="recordings").get("Contents", [])]

    form: dict[str, Any] = {"data": {"duration": "1"}, "files": {"audio": ("a.wav", RECORDING, "audio/wav")}}
    try:
        with httpx.Client(base_url=stack.url, timeout=30) as http:
            session_id = http.post("/api/sessions", **form).json()["id"]
            [key] = keys()
            server.stop()
            assert http.delete(f"/api/sessions/{session_id}").json() == {"ok": True}
            assert http.get(f"/api/sessions/{session_id}").status_code == 404
            refused = http.post("/api/sessions", **form)
            assert (refused.status_code, refused.json()["code"]) == (500, "INTERNAL_ERROR")
            assert http.get("/api/sessions").json()["total"] == 0
        server.start()
        assert keys() == [key]
        stack.sandboxes.invoke("OperationsSweepFunction", {})
        assert keys() == []
    finally:
        server.stop()


def test_a_bucket_that_hangs_holds_up_no_deletion(world: SpeakingSessionsWorld) -> None:
    session_id = world.announce().body["id"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        world.functions.environment["S3_ENDPOINT_URL"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        assert world.delete(session_id).body == {"ok": True}
        assert time.monotonic() - begun < 8
    assert world.rows.execute("SELECT FROM object_deletions WHERE not_before <= now()").rowcount == 1


def test_a_session_without_its_recording_goes_after_a_day(world: SpeakingSessionsWorld) -> None:
    old, fresh, done = world.put(), world.put(), world.put()
    assert world.complete(done).status == 200
    world.rows.execute(
        "UPDATE speaking_sessions SET created_at = now() - interval '25 hours' WHERE id = ANY(%s)", [[old, done]]
    )
    counts = world.sweep().payload
    assert (counts["unrecorded"], counts["objects"]) == (1, 1)
    assert sorted(world.ids()) == world.recorded_ids() == sorted([fresh, done])
    assert world.complete(old).status == 404
