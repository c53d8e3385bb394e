"""Nothing lost, nothing twice: each function is killed, or loses an answer, at each of its effects.

Then the client, the engine's Retry and the sweeper do what they do, and every job must end `completed`, or honestly
`failed`; the model is paid at most once an attempt, and exactly once by the attempt that completes; no row and no
object is left over. The tables of effects are checked against a clean run, so no effect escapes.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support import invocations, posthog_stand_in
from tests.support.crash import Run, Trap, traps
from tests.support.photographs import PHOTOGRAPH
from tests.support.worlds.image_jobs import ImageJobsWorld, Reserved
from tests.support.worlds.world import DAY, MINUTE

CLAIM, KEEP = "INSERT INTO idempotency_keys", "UPDATE idempotency_keys"
MODEL_CALL = "INSERT INTO rate_limits"  # one statement counts the call in the day's budget and enters it in the ledger
CREATE = [CLAIM, "INSERT INTO rate_limits", "INSERT INTO uploads", KEEP]
CONFIRM = ["HeadObject", "UPDATE uploads"]
PROCESS = ["UPDATE uploads", "StartExecution"]
DELETE = ["DELETE FROM uploads", "DeleteObjects", "UPDATE object_deletions"]
STAGES = {
    "ImageStagesValidateFunction": ["UPDATE uploads", "GetObject", "PutObject"],
    "ImageStagesGenerateFunction": [
        *("UPDATE uploads", "HeadObject", "GetObject", MODEL_CALL, "model", "PutObject"),
        *("UPDATE generations", "UPDATE uploads"),
    ],
    "ImageStagesStoreFunction": ["UPDATE uploads", "GetObject", "PutObject", "INSERT INTO results"],
    "ImageStagesWatermarkFunction": ["UPDATE uploads", "GetObject", "PutObject", "UPDATE results"],
    "ImageStagesCompleteFunction": ["UPDATE uploads", "UPDATE uploads"],
    "ImageStagesFailFunction": ["UPDATE uploads"],
}
SWEEP = {
    *("DescribeExecution", "StartExecution", "UPDATE uploads"),  # a lost start, a dead execution
    *("DELETE FROM uploads", "UPDATE object_deletions", "DeleteObjects"),  # unconfirmed, overdue
}
DELIVER = ["UPDATE outbox_events", "POST /batch/", "UPDATE outbox_events", "UPDATE outbox_events"]

NO_PICTURE = b"no picture"
UNREADABLE = "We can't read this kind of file. Please choose a JPEG, PNG, WebP or HEIC photo."
GENERIC = "Processing failed. Please try again."
# Between the entry in the ledger and the bytes in the bucket nobody can know whether the model was paid.
UNKNOWN_BILL = range(STAGES["ImageStagesGenerateFunction"].index(MODEL_CALL) * 2 + 1, 11)


@pytest.fixture
def world(image_jobs_world: ImageJobsWorld) -> ImageJobsWorld:
    """Name this file's world."""
    return image_jobs_world


def test_reserving(world: ImageJobsWorld) -> None:
    world.functions.environment |= {"RATE_LIMIT_BYPASS": "false", "UPLOADS_PER_HOUR": "1000"}

    def create(key: str, trap: Trap | None = None) -> Run:
        event = invocations.create()
        event["headers"]["idempotency-key"] = key
        return world.functions.invoke("ImageJobsCreateFunction", event, trap)

    def key_of(trap: Trap) -> str:
        return f"{trap.mode}-{trap.point}-{'0' * 20}"

    assert create(f"clean-{'0' * 20}").effects == CREATE
    first = {trap: create(key_of(trap), trap) for trap in traps(CREATE)}
    world.pass_time(MINUTE + 1)
    for trap, run in first.items():
        again = create(key_of(trap))
        assert again.status == 201, trap
        if run.error is None:
            assert again.payload == run.payload, trap
        else:
            assert trap.mode == "die"

    # Who never heard of its upload leaves a row, which goes after a day; so does an object that was never confirmed.
    world.upload()
    world.pass_time(DAY + 1)
    assert world.sweep().error is None
    assert world.sweep().error is None
    assert set(world.snapshot()["uploads"]) == set()
    assert not world.objects()
    world.assert_nothing_is_left_over()


def test_confirming(world: ImageJobsWorld) -> None:
    assert world.functions.invoke("ImageJobsConfirmFunction", invocations.confirm(world.upload().id)).effects == CONFIRM

    def scenario(trap: Trap) -> Reserved:
        upload = world.upload()
        world.functions.invoke("ImageJobsConfirmFunction", invocations.confirm(upload.id), trap)
        again = world.functions.invoke("ImageJobsConfirmFunction", invocations.confirm(upload.id))
        assert again.status == 200 or again.body["error"]["code"] == "ALREADY_CONFIRMED", trap
        assert world.process(upload).status == 202, trap
        return upload

    for upload in run_all(scenario, traps(CONFIRM)):
        assert world.wait(upload.id) == "completed"
        assert world.events(upload.id)["upload_confirmed"] == 1
    world.pass_time(DAY + 1)
    world.sweep()
    world.assert_nothing_is_left_over()


@pytest.mark.parametrize("client_returns", [True, False])
def test_starting(world: ImageJobsWorld, client_returns: bool) -> None:
    assert world.process(world.planted()).effects == PROCESS

    def scenario(trap: Trap) -> Reserved:
        job = world.planted()
        world.process(job, trap)
        if client_returns:
            assert world.process(job).status in (202, 409), trap
        return job

    jobs = run_all(scenario, traps(PROCESS))
    world.pass_time(MINUTE + 1)
    assert world.sweep().error is None
    for job, trap in zip(jobs, traps(PROCESS), strict=True):
        if trap.point == 0:  # nothing had happened and nothing was promised; the job is startable as ever
            world.process(job)
        assert world.wait(job.id) == "completed", trap
        assert world.executions(job.id) == [f"{job.id}-1"], trap
        assert world.bill(job.id) == {1: 1}, trap
        assert world.events(job.id)["processing_started"] == 1, trap
    world.assert_nothing_is_left_over()


def test_deleting(world: ImageJobsWorld) -> None:
    assert world.delete(world.planted()).effects == DELETE

    def scenario(trap: Trap) -> Reserved:
        job = world.finished()
        first = world.delete(job, trap)
        # Its answer lost, the statement ran twice: the row was gone at the second time.
        assert first.error or first.status == (404 if trap == Trap(1, "lose") else 204), trap
        again = world.delete(job)
        assert again.status == (204 if trap == Trap(0) else 404), trap
        return job

    world.assert_gone(*run_all(scenario, traps(DELETE)))
    world.assert_nothing_is_left_over()


def test_a_clean_run_has_the_effects_that_are_listed(world: ImageJobsWorld) -> None:
    world.finished()
    spoilt = world.planted(NO_PICTURE)
    world.process(spoilt)
    assert world.wait(spoilt.id) == "failed"
    for name, effects in STAGES.items():
        assert next(run.effects for task, _, run in world.functions.tasks if task == name) == effects


@pytest.mark.parametrize("name", STAGES)
def test_a_stage(world: ImageJobsWorld, name: str) -> None:
    content = NO_PICTURE if name == "ImageStagesFailFunction" else PHOTOGRAPH

    def scenario(trap: Trap) -> Reserved:
        job = world.planted(content)
        world.functions.arm(name, job.id, trap)
        assert world.process(job).status == 202
        return job

    jobs = run_all(scenario, traps(STAGES[name]))
    for job, trap in zip(jobs, traps(STAGES[name]), strict=True):
        status = world.wait(job.id)
        assert world.events(job.id).most_common(1)[0][1] == 1, trap
        if name == "ImageStagesFailFunction":
            assert status == "failed", trap
            assert world.events(job.id)["status_failed"] == 1, trap
        elif name == "ImageStagesGenerateFunction" and trap.mode == "die" and trap.point in UNKNOWN_BILL:
            assert status == "failed", trap
            assert world.job(job.id)["error_message"] == GENERIC, trap
            assert world.job(job.id)["progress"] == 30, trap
            assert world.bill(job.id)[1] <= 1, trap
            assert world.process(job).status == 202
            assert world.wait(job.id) == "completed", trap
            assert world.bill(job.id)[2] == 1, trap
        else:
            assert status == "completed", trap
            # A model's answer that is lost is asked for once more (a read time-out); everything else is paid once.
            lost = trap.mode == "lose" and STAGES[name][trap.point // 2] == "model"
            assert world.bill(job.id) == {1: 2 if lost else 1}, trap
    world.assert_nothing_is_left_over()


@pytest.mark.parametrize(
    ("name", "progress"),
    [("ImageStagesValidateFunction", 10), ("ImageStagesGenerateFunction", 30), ("ImageStagesCompleteFunction", 90)],
)
def test_a_stage_that_always_dies_fails_the_job(world: ImageJobsWorld, name: str, progress: int) -> None:
    job = world.planted()
    world.functions.arm(name, job.id, *[Trap(1)] * 10)
    world.process(job)
    assert world.wait(job.id) == "failed"
    assert world.job(job.id)["error_message"] == GENERIC
    assert world.job(job.id)["progress"] == progress, "failed keeps the last progress"
    assert len([task for task, _, _ in world.functions.tasks if task == name]) == 9
    world.assert_nothing_is_left_over()


def test_an_execution_that_cannot_even_fail_is_closed_by_the_sweeper(world: ImageJobsWorld) -> None:
    job = world.planted(NO_PICTURE)
    world.functions.arm("ImageStagesFailFunction", job.id, *[Trap(0)] * 20)
    world.process(job)
    world.wait_for_execution(job.id, 1)
    assert world.job(job.id)["status"] == "processing"
    world.sweep()
    assert world.job(job.id)["status"] == "processing", "some seconds of silence come first"
    world.pass_time(11)
    world.sweep()
    assert world.job(job.id)["status"] == "failed"
    assert world.job(job.id)["error_message"] == GENERIC
    assert world.events(job.id)["status_failed"] == 1
    world.assert_nothing_is_left_over()


def test_sweeping(world: ImageJobsWorld) -> None:
    def litter() -> tuple[Reserved, Reserved, Reserved, Reserved]:
        """One of everything the sweeper finishes."""
        overdue = world.planted()
        world.rows.execute("UPDATE uploads SET delete_after = now() WHERE id = %s", (overdue.id,))
        abandoned = world.planted(confirmed=False)
        world.pass_time(DAY + 1)
        # Two stages of the lost one are enough to see that it was started, and once.
        lost, dead = sorted((world.planted(NO_PICTURE), world.planted(NO_PICTURE)), key=lambda job: job.id)
        for job in (lost, dead):
            world.process(job, Trap(2))
        world.engine.client.start_execution(stateMachineArn=world.engine.arn, name=f"{dead.id}-1", input="{}")
        world.wait_for_execution(dead.id, 1)
        world.pass_time(MINUTE + 1)
        return abandoned, overdue, lost, dead

    litter()
    effects = world.sweep().effects
    assert set(effects) >= SWEEP
    for trap in traps(effects):
        effect = effects[trap.point // 2]
        if effect not in SWEEP or (trap.mode == "lose" and " " in effect):
            continue  # what sweeps other families' tables; a database's lost answer is asked for again at once
        abandoned, overdue, lost, dead = litter()
        world.sweep(trap)
        world.pass_time(5 * MINUTE + 1)
        assert world.sweep().error is None
        for job, message in ((lost, UNREADABLE), (dead, GENERIC)):
            assert world.wait(job.id) == "failed", trap
            assert world.job(job.id)["error_message"] == message, trap
            assert world.executions(job.id) == [f"{job.id}-1"], trap
            assert world.events(job.id)["status_failed"] == 1, trap
        for gone in (abandoned, overdue):
            assert f"uploads/{gone.id}/original.png" not in world.objects(), trap
        assert world.events(overdue.id)["upload_deleted"] == 1, trap
    world.assert_nothing_is_left_over()


def test_delivering(world: ImageJobsWorld) -> None:
    """At least once to PostHog, which drops a repeat by its uuid; and after every crash the rest still goes out."""
    with posthog_stand_in.listening() as posthog:
        world.functions.environment |= {"POSTHOG_API_KEY": "phc_test", "POSTHOG_HOST": posthog.host}

        def deliver(trap: Trap | None = None) -> Run:
            return world.functions.invoke("OperationsDeliverEventsFunction", {}, trap)

        clean = world.reserve()
        effects = deliver().effects
        assert effects == DELIVER
        assert posthog.names(clean.id) == {"upload_started": 1, "session_created": 1}
        for trap in traps(effects):
            upload = world.reserve()
            before = len(posthog.events)
            deliver(trap)
            world.pass_time(MINUTE + 1)
            assert deliver().payload is not None, trap
            assert posthog.names(upload.id) == {"upload_started": 1, "session_created": 1}, trap
            repeated = trap.point in (3, 4) or (trap.mode == "lose" and trap.point == 3)
            assert len(posthog.events) - before == (4 if repeated else 2), trap
            assert deliver().effects == DELIVER[-1:], "everything is marked as sent"


def run_all(scenario: Callable[[Trap], Reserved], all_traps: list[Trap]) -> list[Reserved]:
    """Play all scenarios at once: their jobs have nothing to do with each other."""
    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(scenario, all_traps))
