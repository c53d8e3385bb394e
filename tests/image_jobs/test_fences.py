"""A stage that runs again, or too late, or for an older attempt, changes nothing.

Fences and conditional statements, each pulled at on real Postgres. Where nothing may change, every row of every table
and every object is compared.
"""

import pytest

from tests.support.crash import Trap
from tests.support.worlds.image_jobs import FAIL, STAGES, ImageJobsWorld, Reserved


def assert_stale(world: ImageJobsWorld, job: Reserved) -> None:
    """Attempt 1 is over: no stage of it does anything."""
    before = world.snapshot()
    for name in [*STAGES, FAIL]:
        error = world.task(name, job, attempt=1).error
        assert (error and error["errorType"]) == (None if name == FAIL else "StaleAttempt")
        assert world.snapshot() == before, name


def test_a_stage_run_again_finds_its_work_done(world: ImageJobsWorld) -> None:
    job = world.started()
    for reached, name in enumerate(STAGES, 1):
        assert world.task(name, job).error is None
        before = world.snapshot()
        for again in STAGES[:reached]:
            assert world.task(again, job).payload["uploadId"] == job.id
            assert world.snapshot() == before, (name, again)
    assert world.bill(job.id) == {1: 1}


def test_after_the_end_nothing_moves(world: ImageJobsWorld) -> None:
    done = world.finished()
    before = world.snapshot()
    for name in [*STAGES, FAIL]:
        run = world.task(name, done)
        assert run.error is None
        assert run.effects == ["UPDATE uploads"], "nothing but the look at the fence"
        assert world.snapshot() == before, name


def test_a_failed_attempt_stays_failed(world: ImageJobsWorld) -> None:
    job = world.started()
    world.task("ImageStagesValidateFunction", job)
    world.task(FAIL, job)
    assert_stale(world, job)


@pytest.mark.parametrize("stages", [0, 1, 2, 3, 5])
def test_an_older_attempt_is_refused_at_the_fence(world: ImageJobsWorld, stages: int) -> None:
    job = world.started()
    world.task(FAIL, job)
    world.process(job, Trap(2))
    for current in STAGES[:stages]:
        assert world.task(current, job, attempt=2).error is None
    assert_stale(world, job)


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("ImageStagesValidateFunction", (0, 2)),
        ("ImageStagesGenerateFunction", (0, 2, 6)),
        ("ImageStagesStoreFunction", (0, 4, 6)),
        ("ImageStagesWatermarkFunction", (0, 4, 6)),
        ("ImageStagesCompleteFunction", (0, 2)),
        (FAIL, (0,)),
    ],
)
def test_a_zombie_that_wakes_up_when_another_attempt_has_finished(
    world: ImageJobsWorld, name: str, points: tuple[int, ...]
) -> None:
    """Held between two effects while its attempt is given up and the next one completes; then it goes on."""
    for point in points:
        job = world.started()
        for earlier in STAGES[: STAGES.index(name)] if name in STAGES else STAGES[:1]:
            world.task(earlier, job)
        event = {"uploadId": job.id, "attempt": 1, "error": {"Error": "States.Timeout"}}
        with world.functions.held(name, event, point) as zombie:
            world.task(FAIL, job)
            assert world.process(job).status == 202
            assert world.wait(job.id) == "completed"
            world.sweep()  # what it deletes now, it looks for again when the zombie is surely dead
            before, bill = world.snapshot(), world.bill(job.id)
            assert not world.objects("work/")
            zombie.release()
            world.look_again()
            assert world.snapshot() | {"object_deletions": []} == before | {"object_deletions": []}, point
            assert world.bill(job.id) == bill
            assert sum(bill.values()) == 1
    world.assert_nothing_is_left_over()


@pytest.mark.parametrize(
    ("name", "last_write"),
    [
        ("ImageStagesStoreFunction", 6),
        ("ImageStagesWatermarkFunction", 6),
        ("ImageStagesCompleteFunction", 2),
    ],
)
def test_a_zombie_moves_neither_a_failed_job_nor_the_attempt_under_way(
    world: ImageJobsWorld, name: str, last_write: int
) -> None:
    """It wakes up before its last statement: only the job's status, or the attempt's number, stands in its way."""
    job = world.started()
    for earlier in STAGES[: STAGES.index(name)]:
        world.task(earlier, job)
    event = {"uploadId": job.id, "attempt": 1}
    with (
        world.functions.held(name, event, last_write) as one,
        world.functions.held(name, event, last_write) as other,
    ):
        world.task(FAIL, job)
        before = world.snapshot()
        assert one.release().error is None
        assert world.snapshot() == before, "failed is failed"
        world.process(job, Trap(2))
        world.task("ImageStagesValidateFunction", job, attempt=2)
        before = world.snapshot()
        assert other.release().error is None
        assert world.snapshot() == before
    for current in STAGES:
        assert world.task(current, job, attempt=2).error is None
    assert world.job(job.id)["status"] == "completed"
    assert world.bill(job.id) == {1: 1}
    world.assert_nothing_is_left_over()


@pytest.mark.parametrize(
    ("name", "last_write"),
    [("ImageStagesStoreFunction", 6), ("ImageStagesWatermarkFunction", 6), ("ImageStagesCompleteFunction", 2)],
)
def test_of_two_workers_on_one_stage_the_second_changes_nothing(
    world: ImageJobsWorld, name: str, last_write: int
) -> None:
    job = world.started()
    for earlier in STAGES[: STAGES.index(name)]:
        world.task(earlier, job)
    event = {"uploadId": job.id, "attempt": 1}
    with (
        world.functions.held(name, event, last_write) as one,
        world.functions.held(name, event, last_write) as other,
    ):
        assert one.release().error is None
        before = world.snapshot()
        assert other.release().error is None
        assert world.snapshot() == before


def test_the_model_is_not_asked_for_a_job_that_has_failed_meanwhile(world: ImageJobsWorld) -> None:
    job = world.started()
    world.task("ImageStagesValidateFunction", job)
    with world.functions.held("ImageStagesGenerateFunction", {"uploadId": job.id, "attempt": 1}, 6) as zombie:
        world.task(FAIL, job)
        error = zombie.release().error
    assert error is not None
    assert error["errorType"] == "StaleAttempt"
    assert world.bill(job.id) == {}


def test_a_job_is_not_completed_without_its_preview(world: ImageJobsWorld) -> None:
    job = world.started()
    for name in [*STAGES[:3], "ImageStagesCompleteFunction"]:
        world.task(name, job)
    assert world.job(job.id)["status"] == "processing"
    assert not world.events(job.id)["status_complete"]


def test_a_zombie_does_not_advance_the_attempt_under_way(world: ImageJobsWorld) -> None:
    job = world.started()
    world.task("ImageStagesValidateFunction", job)
    with world.functions.held("ImageStagesGenerateFunction", {"uploadId": job.id, "attempt": 1}, 14) as zombie:
        world.task(FAIL, job)
        world.process(job, Trap(2))
        world.task("ImageStagesValidateFunction", job, attempt=2)
        before = world.snapshot()
        assert zombie.release().error is None
        assert world.snapshot() == before


def test_a_zombie_in_the_model_call_does_not_disturb_the_next_attempt(world: ImageJobsWorld) -> None:
    job = world.started()
    world.task("ImageStagesValidateFunction", job)
    with world.functions.held("ImageStagesGenerateFunction", {"uploadId": job.id, "attempt": 1}, point=9) as zombie:
        world.task(FAIL, job)
        assert world.process(job).status == 202
        assert world.wait(job.id) == "completed"
        row, results = world.job(job.id), world.snapshot()["results"]
        zombie.release()
        assert world.job(job.id) == row
        assert world.snapshot()["results"] == results
        assert world.bill(job.id) == {1: 1, 2: 1}


def test_the_picture_that_came_first_stands(world: ImageJobsWorld) -> None:
    """Both attempts have paid; what the second may already be working with is not replaced."""
    job = world.started()
    world.task("ImageStagesValidateFunction", job)
    with world.functions.held("ImageStagesGenerateFunction", {"uploadId": job.id, "attempt": 1}, point=9) as zombie:
        world.task(FAIL, job)
        world.process(job, Trap(2))
        for name in STAGES[:2]:
            world.task(name, job, attempt=2)
        before = world.objects()
        zombie.release()
        assert world.objects() == before
    assert world.bill(job.id) == {1: 1, 2: 1}
