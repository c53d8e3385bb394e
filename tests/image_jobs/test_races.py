"""Everyone has read the row; then all go on at once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support import invocations, posthog_stand_in
from tests.support.crash import Held, Run, Trap
from tests.support.worlds.image_jobs import FAIL, STAGES, ImageJobsWorld
from tests.support.worlds.world import DAY, MINUTE


def test_of_fifty_process_calls_one_starts(world: ImageJobsWorld) -> None:
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


def test_a_failed_job_is_taken_up_once(world: ImageJobsWorld) -> None:
    job = world.started()
    world.task(FAIL, job)
    answers = at_once(world, "ImageJobsProcessFunction", invocations.process(job.id, job.token), 20)
    assert Counter(answer.status for answer in answers) == {202: 1, 409: 19}
    assert world.wait(job.id) == "completed"
    assert world.executions(job.id) == [f"{job.id}-2"]


def test_of_twenty_confirmations_one_wins(world: ImageJobsWorld) -> None:
    upload = world.planted(confirmed=False)
    answers = at_once(world, "ImageJobsConfirmFunction", invocations.confirm(upload.id), 20, point=2)
    assert Counter(answer.status for answer in answers) == {200: 1, 409: 19}
    assert {answer.body["error"]["code"] for answer in answers if answer.status == 409} == {"ALREADY_CONFIRMED"}
    assert world.events(upload.id) == {"upload_confirmed": 1}


def test_the_sweeper_before_a_confirmation(world: ImageJobsWorld) -> None:
    upload = world.planted(confirmed=False)
    world.pass_time(DAY + 1)
    with world.functions.held("ImageJobsConfirmFunction", invocations.confirm(upload.id), point=2) as confirming:
        assert world.sweep().error is None
        answer = confirming.release()
    assert (answer.status, answer.body["error"]["code"]) == (404, "NOT_FOUND")
    assert not world.objects()
    assert not world.events(upload.id)


def test_a_confirmation_before_the_sweeper(world: ImageJobsWorld) -> None:
    upload = world.planted(confirmed=False)
    world.pass_time(DAY + 1)
    with world.functions.held("OperationsSweepFunction", {}, point=0) as sweeping:
        world.call("ImageJobsConfirmFunction", invocations.confirm(upload.id), 200)
        assert sweeping.release().error is None
    assert world.job(upload.id)["status"] == "pending"
    assert world.objects()
    assert world.process(upload).status == 202
    assert world.wait(upload.id) == "completed"


def test_two_sweepers(world: ImageJobsWorld) -> None:
    lost, dead = world.started(), world.started()
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


def test_two_deliverers(world: ImageJobsWorld) -> None:
    with posthog_stand_in.listening() as posthog:
        world.functions.environment |= {"POSTHOG_API_KEY": "phc_test", "POSTHOG_HOST": posthog.host}
        uploads = [world.reserve() for _ in range(3)]
        runs = at_once(world, "OperationsDeliverEventsFunction", {}, 4, point=0)
        assert sum(run.payload["sent"] for run in runs) == 6
        assert len(posthog.events) == 6
        assert all(sum(posthog.names(upload.id).values()) == 2 for upload in uploads)


def test_a_running_execution_is_left_alone(world: ImageJobsWorld) -> None:
    job = world.planted()
    world.functions.arm("ImageStagesGenerateFunction", job.id, Trap(8, "hold"))
    world.process(job)
    assert world.functions.reached.wait(20)
    world.pass_time(10 * MINUTE + 1)
    assert world.sweep().payload["failed"] == 0
    world.functions.go_on.set()
    assert world.wait(job.id) == "completed"
    assert world.bill(job.id) == {1: 1}


@pytest.mark.parametrize("reached", range(len(STAGES)))
def test_a_job_whose_engine_has_forgotten_it_goes_on_within_a_minute(world: ImageJobsWorld, reached: int) -> None:
    """As after a local stack was killed: the rows say that the jobs run, and the new engine knows none of them."""
    job = world.started()
    for name in STAGES[:reached]:
        assert world.task(name, job).error is None
    world.pass_time(11)
    counts = world.functions.invoke("OperationsSweepFunction", {"only": ["reconcile_jobs"]}).payload
    assert (counts["started"], counts["failed"]) == (1, 0)
    assert world.wait(job.id) == "completed"
    assert world.bill(job.id) == {1: 1}
    assert world.executions(job.id) == [f"{job.id}-1"]


def test_an_aborted_execution_is_closed(world: ImageJobsWorld) -> None:
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


def at_once(world: ImageJobsWorld, name: str, event: Any, count: int, point: int = 0) -> list[Run]:
    """`count` invocations, each held at the same point until all are there, then released together."""
    with ExitStack() as stack, ThreadPoolExecutor(count) as threads:

        def hold(_: int) -> Held:
            return stack.enter_context(world.functions.held(name, event, point))

        return list(threads.map(Held.release, list(threads.map(hold, range(count)))))
