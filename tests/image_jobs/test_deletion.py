"""A job deleted at any moment of its life: it is gone, it stays gone, and nothing is paid for it afterwards."""

from concurrent.futures import ThreadPoolExecutor
from types import NoneType
from typing import Any

import httpx
import psycopg
import pytest

from inlet.errors import StaleAttempt
from inlet.image_jobs import results_table
from inlet.image_jobs.generations_table import LEDGER, call_for
from inlet.image_jobs.rows import Job
from tests.crashes.test_image_jobs import STAGES as EFFECTS
from tests.image_jobs.test_races import at_once
from tests.support import invocations
from tests.support.crash import Trap
from tests.support.photographs import PHOTOGRAPH
from tests.support.worlds.image_jobs import FAIL, STAGES, ImageJobsWorld, Reserved
from tests.support.worlds.world import MINUTE


@pytest.mark.parametrize("name", EFFECTS)
def test_deleted_before_and_after_every_write_of_a_stage(world: ImageJobsWorld, name: str) -> None:
    """The stage stands still there, its job is deleted, and it goes on like a zombie; so does what comes after it."""
    earlier = STAGES[: STAGES.index(name)] if name in STAGES else STAGES[:1]
    later = [*STAGES[len(earlier) + 1 :], FAIL]

    def scenario(point: int) -> Reserved:
        job = world.started()
        for stage in earlier:
            assert world.task(stage, job).error is None
        event = {"uploadId": job.id, "attempt": 1, "error": {"Error": "States.Timeout"}}
        with world.functions.held(name, event, point) as zombie:
            claimed = world.rows.execute("SELECT FROM generations WHERE upload_id = %s", (job.id,)).rowcount
            assert world.delete(job).status == 204
            zombie.release()
        assert world.bill(job.id).total() == claimed, "the model is asked by whom it was promised to, and once"
        for following in later:
            error = world.task(following, job).error
            assert (error and error["errorType"]) == (None if following == FAIL else "StaleAttempt")
        return job

    with ThreadPoolExecutor(4) as threads:
        jobs = list(threads.map(scenario, range(2 * len(EFFECTS[name]))))
    world.assert_gone(*jobs)


def test_what_a_zombie_writes_afterwards_goes_at_the_second_look(world: ImageJobsWorld) -> None:
    job = world.started()
    world.task("ImageStagesValidateFunction", job)
    with world.functions.held("ImageStagesGenerateFunction", {"uploadId": job.id, "attempt": 1}, 10) as zombie:
        assert world.delete(job).status == 204
        assert not world.objects()
        zombie.release()
    assert world.objects().keys() == {f"work/{job.id}/generated"}
    world.sweep()
    world.pass_time(5 * MINUTE + 1)
    world.sweep()
    assert not world.objects()


def test_a_put_after_the_deletion_does_not_stay(world: ImageJobsWorld) -> None:
    upload = world.upload()
    world.delete(upload)
    httpx.put(upload.url, content=PHOTOGRAPH, headers=upload.headers).raise_for_status()
    world.call("ImageJobsConfirmFunction", invocations.confirm(upload.id), 404)
    assert world.objects()
    world.assert_gone(upload)


def test_a_key_that_is_noted_already_is_looked_at_again_too(world: ImageJobsWorld) -> None:
    upload = world.upload()
    [key] = world.objects()
    world.rows.execute("INSERT INTO object_deletions (key, not_before) VALUES (%s, now() + interval '1 hour')", (key,))
    with world.functions.held("ImageJobsDeleteFunction", invocations.delete(upload.id, upload.token), point=1):
        noted = world.rows.execute(
            "SELECT not_before <= now() AS due, writable_until > now() AS again FROM object_deletions WHERE key = %s",
            (key,),
        ).fetchone()
    assert noted == {"due": True, "again": True}
    world.assert_gone(upload)


def test_a_running_workflow_ends_without_a_failure(world: ImageJobsWorld) -> None:
    job = world.planted()
    world.functions.arm("ImageStagesGenerateFunction", job.id, Trap(10, "hold"))
    assert world.process(job).status == 202
    assert world.functions.reached.wait(20)
    assert world.delete(job).status == 204
    world.functions.go_on.set()
    world.wait_for_execution(job.id, 1)
    assert world.execution(job.id, 1) == "SUCCEEDED", "what its owner deleted raises no alarm"
    assert world.bill(job.id) == {1: 1}
    assert not world.events(job.id)["status_failed"]
    world.assert_gone(job)


def test_of_racing_deletions_one_wins(world: ImageJobsWorld) -> None:
    job = world.finished()
    answers = at_once(world, "ImageJobsDeleteFunction", invocations.delete(job.id, job.token), 8)
    assert sorted(answer.status for answer in answers) == [204, *[404] * 7]
    world.assert_gone(job)


def test_racing_with_confirm(world: ImageJobsWorld) -> None:
    for point in (0, 2):
        upload = world.planted(confirmed=False)
        with world.functions.held("ImageJobsConfirmFunction", invocations.confirm(upload.id), point) as confirming:
            world.delete(upload)
            late = confirming.release()
        if point == 0:  # it asks the bucket only now
            assert late.body["error"]["code"] == "NOT_UPLOADED"
            late = world.functions.invoke("ImageJobsConfirmFunction", invocations.confirm(upload.id))
        assert (late.status, late.body["error"]["code"]) == (404, "NOT_FOUND")
        world.assert_gone(upload)


def test_racing_with_process(world: ImageJobsWorld) -> None:
    before, between = world.planted(), world.planted()
    event = invocations.process(before.id, before.token)
    with world.functions.held("ImageJobsProcessFunction", event, point=0) as starting:
        world.delete(before)
        late = starting.release()
    assert (late.status, late.body["error"]["code"]) == (404, "NOT_FOUND")

    event = invocations.process(between.id, between.token)
    with world.functions.held("ImageJobsProcessFunction", event, point=2) as starting:
        world.delete(between)
        assert starting.release().status == 202, "it was started before it was deleted"
    world.wait_for_execution(between.id, 1)
    assert world.execution(between.id, 1) == "SUCCEEDED"
    world.assert_gone(before, between)
    assert not world.bill(before.id) + world.bill(between.id)


def test_a_completion_that_comes_first_changes_nothing(world: ImageJobsWorld) -> None:
    job = world.started()
    for stage in STAGES[:-1]:
        world.task(stage, job)
    with world.functions.held("ImageJobsDeleteFunction", invocations.delete(job.id, job.token), 0) as deleting:
        world.task(STAGES[-1], job)
        assert world.job(job.id)["status"] == "completed"
        assert deleting.release().status == 204
    world.assert_gone(job)


def test_racing_with_the_sweeper(world: ImageJobsWorld) -> None:
    lost, unconfirmed = world.started(), world.planted(confirmed=False)
    world.pass_time(25 * 60 * MINUTE)
    with world.functions.held("OperationsSweepFunction", {}, point=0) as sweeping:  # it has found the lost start
        assert world.delete(lost).status == 204
        assert world.delete(unconfirmed).status == 204
        assert sweeping.release().error is None
    world.wait_for_execution(lost.id, 1)
    world.assert_gone(lost, unconfirmed)


@pytest.mark.usefixtures("inlet_settings")
@pytest.mark.parametrize("stage", ["generating", "storing"])
def test_a_stage_that_refers_to_a_job_that_is_being_deleted_finds_it_gone(
    database: psycopg.Connection[Any], database_url: str, stage: str
) -> None:
    """Its statement saw the row, and then waits for the deletion that has it locked."""
    job = Job("u", 1, "k", "image/png", "etag", None, 30, None)
    database.execute(
        "INSERT INTO uploads (id, email, session_token_hash, original_url, content_type, status, attempt)"
        " VALUES ('u', 'e', 't', 'k', 'image/png', 'processing', 1)"
    )

    def refer() -> None:
        if stage == "generating":
            LEDGER.claim(call_for(job))
        else:
            results_table.store(job, full_key="f", content_type="image/png", width=1, height=1)

    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with psycopg.connect(database_url) as deleting, ThreadPoolExecutor(1) as thread:
        deleting.execute("DELETE FROM uploads")
        referring = thread.submit(refer)
        while not referring.done() and not database.execute(waiting).fetchall():
            pass
        deleting.commit()
        assert type(referring.exception()) is (StaleAttempt if stage == "generating" else NoneType)
    assert database.execute("SELECT FROM results").rowcount == 0
    assert database.execute("SELECT FROM rate_limits").rowcount == 0, "no call of today's budget is spent"
