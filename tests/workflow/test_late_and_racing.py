"""Twice, late, out of date, or all at once: fences and conditional statements, each pulled at on real Postgres.

Where nothing may change, every row of every table and every object is compared.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support import invocations, posthog_stand_in
from tests.support.crash import Held, Run, Trap
from tests.support.worlds.image_jobs import DAY, MINUTE, Reserved, World

STAGES = ["Validate", "Generate", "Store", "Watermark", "Complete"]
ALL = [f"Stages{stage}Function" for stage in STAGES]


def task(world: World, name: str, job: Reserved, attempt: int = 1) -> Run:
    event: dict[str, Any] = {"uploadId": job.id, "attempt": attempt}
    if name == "ImageStagesFailFunction":
        event["error"] = {"Error": "States.Timeout"}
    return world.functions.invoke(name, event)


def assert_stale(world: World, job: Reserved) -> None:
    """Attempt 1 is over: no stage of it does anything."""
    before = world.snapshot()
    for name in [*ALL, "ImageStagesFailFunction"]:
        error = task(world, name, job, attempt=1).error
        assert (error and error["errorType"]) == (None if name == "ImageStagesFailFunction" else "StaleAttempt")
        assert world.snapshot() == before, name


def started(world: World) -> Reserved:
    """A job in processing whose execution was never started, so that the test alone moves it."""
    job = world.planted()
    world.process(job, Trap(2))
    return job


class TestTwiceAndLate:
    """A stage that runs again, or too late, or for an older attempt, changes nothing."""

    def test_a_stage_run_again_finds_its_work_done(self, world: World) -> None:
        job = started(world)
        for reached, name in enumerate(ALL, 1):
            assert task(world, name, job).error is None
            before = world.snapshot()
            for again in ALL[:reached]:
                assert task(world, again, job).payload["uploadId"] == job.id
                assert world.snapshot() == before, (name, again)
        assert world.bill(job.id) == {1: 1}

    def test_after_the_end_nothing_moves(self, world: World) -> None:
        done = world.finished()
        before = world.snapshot()
        for name in [*ALL, "ImageStagesFailFunction"]:
            run = task(world, name, done)
            assert run.error is None
            assert run.effects == ["UPDATE uploads"], "nothing but the look at the fence"
            assert world.snapshot() == before, name

    def test_a_failed_attempt_stays_failed(self, world: World) -> None:
        job = started(world)
        task(world, "ImageStagesValidateFunction", job)
        task(world, "ImageStagesFailFunction", job)
        assert_stale(world, job)

    @pytest.mark.parametrize("stages", [0, 1, 2, 3, 5])
    def test_an_older_attempt_is_refused_at_the_fence(self, world: World, stages: int) -> None:
        job = started(world)
        task(world, "ImageStagesFailFunction", job)
        world.process(job, Trap(2))
        for current in ALL[:stages]:
            assert task(world, current, job, attempt=2).error is None
        assert_stale(world, job)

    @pytest.mark.parametrize(
        ("name", "points"),
        [
            ("ImageStagesValidateFunction", (0, 2)),
            ("ImageStagesGenerateFunction", (0, 2, 6)),
            ("ImageStagesStoreFunction", (0, 4, 6)),
            ("ImageStagesWatermarkFunction", (0, 4, 6)),
            ("ImageStagesCompleteFunction", (0, 2, 4)),
            ("ImageStagesFailFunction", (0,)),
        ],
    )
    def test_a_zombie_that_wakes_up_when_another_attempt_has_finished(
        self, world: World, name: str, points: tuple[int, ...]
    ) -> None:
        """Held between two effects while its attempt is given up and the next one completes; then it goes on."""
        for point in points:
            job = started(world)
            for earlier in ALL[: ALL.index(name)] if name in ALL else ALL[:1]:
                task(world, earlier, job)
            event = {"uploadId": job.id, "attempt": 1, "error": {"Error": "States.Timeout"}}
            with world.functions.held(name, event, point) as zombie:
                task(world, "ImageStagesFailFunction", job)
                assert world.process(job).status == 202
                assert world.wait(job.id) == "completed"
                before, bill = world.snapshot(), world.bill(job.id)
                zombie.release()
                assert world.snapshot() == before, point
                assert world.bill(job.id) == bill
                assert sum(bill.values()) == 1
        world.assert_nothing_is_left_over()

    @pytest.mark.parametrize(
        ("name", "last_write"),
        [
            ("ImageStagesStoreFunction", 6),
            ("ImageStagesWatermarkFunction", 6),
            ("ImageStagesCompleteFunction", 4),
        ],
    )
    def test_a_zombie_moves_neither_a_failed_job_nor_the_attempt_under_way(
        self, world: World, name: str, last_write: int
    ) -> None:
        """It wakes up before its last statement: only the job's status, or the attempt's number, stands in its way."""
        job = started(world)
        for earlier in ALL[: ALL.index(name)]:
            task(world, earlier, job)
        event = {"uploadId": job.id, "attempt": 1}
        with (
            world.functions.held(name, event, last_write) as one,
            world.functions.held(name, event, last_write) as other,
        ):
            task(world, "ImageStagesFailFunction", job)
            before = world.snapshot()
            assert one.release().error is None
            assert world.snapshot() == before, "failed is failed"
            world.process(job, Trap(2))
            task(world, "ImageStagesValidateFunction", job, attempt=2)
            before = world.snapshot()
            assert other.release().error is None
            assert world.snapshot() == before
        for current in ALL:
            assert task(world, current, job, attempt=2).error is None
        assert world.job(job.id)["status"] == "completed"
        assert world.bill(job.id) == {1: 1}
        world.assert_nothing_is_left_over()

    @pytest.mark.parametrize(
        ("name", "last_write"),
        [("ImageStagesStoreFunction", 6), ("ImageStagesWatermarkFunction", 6), ("ImageStagesCompleteFunction", 4)],
    )
    def test_of_two_workers_on_one_stage_the_second_changes_nothing(
        self, world: World, name: str, last_write: int
    ) -> None:
        job = started(world)
        for earlier in ALL[: ALL.index(name)]:
            task(world, earlier, job)
        event = {"uploadId": job.id, "attempt": 1}
        with (
            world.functions.held(name, event, last_write) as one,
            world.functions.held(name, event, last_write) as other,
        ):
            assert one.release().error is None
            before = world.snapshot()
            assert other.release().error is None
            assert world.snapshot() == before

    def test_the_model_is_not_asked_for_a_job_that_has_failed_meanwhile(self, world: World) -> None:
        job = started(world)
        task(world, "ImageStagesValidateFunction", job)
        with world.functions.held("ImageStagesGenerateFunction", {"uploadId": job.id, "attempt": 1}, 6) as zombie:
            task(world, "ImageStagesFailFunction", job)
            error = zombie.release().error
        assert error is not None
        assert error["errorType"] == "StaleAttempt"
        assert world.bill(job.id) == {}

    def test_a_job_is_not_completed_without_its_preview(self, world: World) -> None:
        job = started(world)
        for name in [*ALL[:3], "ImageStagesCompleteFunction"]:
            task(world, name, job)
        assert world.job(job.id)["status"] == "processing"
        assert not world.events(job.id)["status_complete"]

    def test_a_zombie_does_not_advance_the_attempt_under_way(self, world: World) -> None:
        job = started(world)
        task(world, "ImageStagesValidateFunction", job)
        with world.functions.held("ImageStagesGenerateFunction", {"uploadId": job.id, "attempt": 1}, 14) as zombie:
            task(world, "ImageStagesFailFunction", job)
            world.process(job, Trap(2))
            task(world, "ImageStagesValidateFunction", job, attempt=2)
            before = world.snapshot()
            assert zombie.release().error is None
            assert world.snapshot() == before

    def test_a_zombie_in_the_model_call_does_not_disturb_the_next_attempt(self, world: World) -> None:
        job = started(world)
        task(world, "ImageStagesValidateFunction", job)
        with world.functions.held("ImageStagesGenerateFunction", {"uploadId": job.id, "attempt": 1}, point=9) as zombie:
            task(world, "ImageStagesFailFunction", job)
            assert world.process(job).status == 202
            assert world.wait(job.id) == "completed"
            row, results = world.job(job.id), world.snapshot()["results"]
            zombie.release()
            assert world.job(job.id) == row
            assert world.snapshot()["results"] == results
            assert world.bill(job.id) == {1: 1, 2: 1}

    def test_the_picture_that_came_first_stands(self, world: World) -> None:
        """Both attempts have paid; what the second may already be working with is not replaced."""
        job = started(world)
        task(world, "ImageStagesValidateFunction", job)
        with world.functions.held("ImageStagesGenerateFunction", {"uploadId": job.id, "attempt": 1}, point=9) as zombie:
            task(world, "ImageStagesFailFunction", job)
            world.process(job, Trap(2))
            for name in ALL[:2]:
                task(world, name, job, attempt=2)
            before = world.objects()
            zombie.release()
            assert world.objects() == before
        assert world.bill(job.id) == {1: 1, 2: 1}


class TestTheLedger:
    """What the model may be asked, and how often, by what became of the earlier calls."""

    @pytest.mark.parametrize(
        ("outcomes", "status", "bill", "message"),
        [
            (["GenerationUnavailable"] * 3, "completed", {1: 1}, None),
            (["GenerationUnavailable"] * 9, "failed", {}, "Processing failed. Please try again."),
            (["GenerationTimedOut"], "completed", {1: 2}, None),
            (["GenerationTimedOut"] * 9, "failed", {1: 2}, "Processing failed. Please try again."),
            (["GenerationMalformed"] * 9, "failed", {1: 1}, "Processing failed. Please try again."),
            (["GenerationMisconfigured"] * 9, "failed", {}, "Processing failed. Please try again."),
            (["GenerationBlocked"] * 9, "failed", {}, "The image model declined this photo. Please try another one."),
        ],
    )
    def test_attempts_are_bounded(
        self, world: World, outcomes: list[str], status: str, bill: dict[int, int], message: str | None
    ) -> None:
        job = world.planted()
        world.functions.script_model(job.id, *outcomes)
        world.process(job)
        assert world.wait(job.id) == status
        assert world.bill(job.id) == bill
        assert world.job(job.id)["error_message"] == message
        assert world.job(job.id)["progress"] == (100 if status == "completed" else 30)

    def test_an_engine_that_retries_too_often_is_stopped_by_the_ledger(self, world: World) -> None:
        job = started(world)
        task(world, "ImageStagesValidateFunction", job)
        world.functions.script_model(job.id, *["GenerationTimedOut"] * 5)
        errors = [task(world, "ImageStagesGenerateFunction", job).error for _ in range(5)]
        assert [error and error["errorType"] for error in errors] == ["GenerationTimedOut"] * 5
        assert world.bill(job.id) == {1: 2}

    def test_two_generating_at_once_call_the_model_once(self, world: World) -> None:
        job = started(world)
        task(world, "ImageStagesValidateFunction", job)
        with world.functions.held("ImageStagesGenerateFunction", {"uploadId": job.id, "attempt": 1}, point=8) as first:
            second = task(world, "ImageStagesGenerateFunction", job)
            assert second.error is not None
            assert second.error["errorType"] == "GenerationInterrupted"
            assert first.release().error is None
        assert world.bill(job.id) == {1: 1}

    def test_three_attempts_are_all(self, world: World) -> None:
        job = world.planted(b"no picture")
        for attempt in (1, 2, 3):
            assert world.process(job).status == 202
            assert world.wait(job.id) == "failed"
            assert world.job(job.id)["attempt"] == attempt
        refused = world.process(job)
        assert (refused.status, refused.body["error"]["code"]) == (409, "ALREADY_PROCESSING")
        assert refused.body["status"] == "failed"
        assert world.executions(job.id) == [f"{job.id}-{attempt}" for attempt in (1, 2, 3)]
        assert world.events(job.id)["status_failed"] == world.events(job.id)["processing_started"] == 1


class TestRaces:
    """Everyone has read the row; then all go on at once."""

    def test_of_fifty_process_calls_one_starts(self, world: World) -> None:
        job = world.planted()
        event = invocations.process(job.id, job.token)
        answers = at_once(world, "ImageJobsProcessFunction", event, 50)
        assert Counter(answer.status for answer in answers) == {202: 1, 409: 49}
        for answer in answers:
            if answer.status == 409:
                assert answer.body["error"]["code"] == "ALREADY_PROCESSING"
                assert answer.body["status"] == "processing"
        assert world.wait(job.id) == "completed"
        assert world.executions(job.id) == [f"{job.id}-1"]
        assert world.events(job.id)["processing_started"] == 1
        assert world.bill(job.id) == {1: 1}

    def test_a_failed_job_is_taken_up_once(self, world: World) -> None:
        job = started(world)
        task(world, "ImageStagesFailFunction", job)
        answers = at_once(world, "ImageJobsProcessFunction", invocations.process(job.id, job.token), 20)
        assert Counter(answer.status for answer in answers) == {202: 1, 409: 19}
        assert world.wait(job.id) == "completed"
        assert world.executions(job.id) == [f"{job.id}-2"]

    def test_of_twenty_confirmations_one_wins(self, world: World) -> None:
        upload = world.planted(confirmed=False)
        answers = at_once(world, "ImageJobsConfirmFunction", invocations.confirm(upload.id), 20, point=2)
        assert Counter(answer.status for answer in answers) == {200: 1, 409: 19}
        assert {answer.body["error"]["code"] for answer in answers if answer.status == 409} == {"ALREADY_CONFIRMED"}
        assert world.events(upload.id) == {"upload_confirmed": 1}

    def test_the_sweeper_before_a_confirmation(self, world: World) -> None:
        upload = world.planted(confirmed=False)
        world.pass_time(DAY + 1)
        with world.functions.held("ImageJobsConfirmFunction", invocations.confirm(upload.id), point=2) as confirming:
            assert world.sweep().error is None
            answer = confirming.release()
        assert (answer.status, answer.body["error"]["code"]) == (404, "NOT_FOUND")
        assert not world.objects()
        assert not world.events(upload.id)

    def test_a_confirmation_before_the_sweeper(self, world: World) -> None:
        upload = world.planted(confirmed=False)
        world.pass_time(DAY + 1)
        with world.functions.held("OperationsSweepFunction", {}, point=0) as sweeping:
            world.call("ImageJobsConfirmFunction", invocations.confirm(upload.id), 200)
            assert sweeping.release().error is None
        assert world.job(upload.id)["status"] == "pending"
        assert world.objects()
        assert world.process(upload).status == 202
        assert world.wait(upload.id) == "completed"

    def test_two_sweepers(self, world: World) -> None:
        lost, dead = started(world), started(world)
        world.engine.client.start_execution(stateMachineArn=world.engine.arn, name=f"{dead.id}-1", input="{}")
        world.wait_for_execution(dead.id, 1)
        for _ in range(3):
            world.planted(confirmed=False)
        world.pass_time(DAY + 1)
        runs = at_once(world, "OperationsSweepFunction", {}, 2, point=0)
        assert [run.error for run in runs] == [None, None]
        assert sum(run.payload["unconfirmed"] for run in runs) == 3
        assert sum(run.payload["failed"] for run in runs) == 1
        assert world.wait(lost.id) == "completed"
        assert world.executions(lost.id) == [f"{lost.id}-1"]
        assert world.bill(lost.id) == {1: 1}
        assert world.job(dead.id)["status"] == "failed"
        world.pass_time(5 * MINUTE + 1)
        world.sweep()
        world.assert_nothing_is_left_over()

    def test_two_deliverers(self, world: World) -> None:
        with posthog_stand_in.listening() as posthog:
            world.functions.environment |= {"POSTHOG_API_KEY": "phc_test", "POSTHOG_HOST": posthog.host}
            uploads = [world.reserve() for _ in range(3)]
            runs = at_once(world, "OperationsDeliverEventsFunction", {}, 4, point=0)
            assert sum(run.payload["sent"] for run in runs) == 6
            assert len(posthog.events) == 6
            assert all(sum(posthog.names(upload.id).values()) == 2 for upload in uploads)

    def test_a_running_execution_is_left_alone(self, world: World) -> None:
        job = world.planted()
        world.functions.arm("ImageStagesGenerateFunction", job.id, Trap(8, "hold"))
        world.process(job)
        assert world.functions.reached.wait(20)
        world.pass_time(10 * MINUTE + 1)
        assert world.sweep().payload["failed"] == 0
        world.functions.go_on.set()
        assert world.wait(job.id) == "completed"
        assert world.bill(job.id) == {1: 1}

    def test_an_aborted_execution_is_closed(self, world: World) -> None:
        job = world.planted()
        world.functions.arm("ImageStagesWatermarkFunction", job.id, Trap(6, "hold"))
        run_id = world.process(job).body["workflowRunId"]
        assert world.functions.reached.wait(20)
        world.engine.client.stop_execution(executionArn=run_id)
        world.functions.go_on.set()
        world.wait_for_execution(job.id, 1)
        assert world.execution(job.id, 1) == "ABORTED"
        world.pass_time(10 * MINUTE + 1)
        assert world.sweep().payload["failed"] == 1
        closed = world.job(job.id)
        assert (closed["status"], closed["progress"], closed["stage"]) == ("failed", 90, "failed")
        assert world.process(job).status == 202
        assert world.wait(job.id) == "completed"
        assert world.bill(job.id) == {1: 1}, "what was paid for is used"
        world.assert_nothing_is_left_over()


def at_once(world: World, name: str, event: Any, count: int, point: int = 0) -> list[Run]:
    """`count` invocations, each held at the same point until all are there, then released together."""
    with ExitStack() as stack, ThreadPoolExecutor(count) as threads:

        def hold(_: int) -> Held:
            return stack.enter_context(world.functions.held(name, event, point))

        return list(threads.map(Held.release, list(threads.map(hold, range(count)))))
