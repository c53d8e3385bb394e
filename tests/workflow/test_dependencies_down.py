"""Storage or Step Functions cannot be reached: the documented answer, no harm done, and all is well afterwards."""

import pytest

from local_aws.ports import HOST, free_port
from tests.support import invocations
from tests.support.worlds.image_jobs import MINUTE, World


@pytest.fixture
def nowhere() -> str:
    """An address nobody listens on."""
    return f"http://{HOST}:{free_port()}"


def test_step_functions_unreachable(world: World, nowhere: str) -> None:
    job = world.planted()
    world.functions.environment["STEP_FUNCTIONS_ENDPOINT_URL"] = nowhere
    for _ in range(2):
        refused = world.process(job)
        assert (refused.status, refused.body["error"]["code"]) == (500, "WORKFLOW_FAILED")
        assert refused.body["error"]["message"] == "We couldn't start processing. Please try again."
        assert nowhere not in refused.payload["body"]
        assert world.job(job.id)["status"] == "pending", "startable at once"
    world.pass_time(MINUTE + 1)
    assert world.sweep().payload["started"] == 0, "the client was told; nothing is owed"
    del world.functions.environment["STEP_FUNCTIONS_ENDPOINT_URL"]
    assert world.process(job).status == 202
    assert world.wait(job.id) == "completed"
    assert world.executions(job.id) == [f"{job.id}-1"]
    assert world.bill(job.id) == {1: 1}
    assert world.events(job.id)["processing_started"] == 1
    world.assert_nothing_is_left_over()


def test_a_start_that_was_thought_lost(world: World, nowhere: str) -> None:
    """Nobody heard the engine's answer, but it is at work already: the job is not taken away from it."""
    job = world.planted()
    world.functions.environment["STEP_FUNCTIONS_ENDPOINT_URL"] = nowhere
    event = invocations.process(job.id, job.token)
    with world.functions.held("ImageJobsProcessFunction", event, point=4) as giving_up:
        run = world.functions.invoke("ImageStagesValidateFunction", {"uploadId": job.id, "attempt": 1})
        assert run.error is None
        assert giving_up.release().status == 500
    assert (world.job(job.id)["status"], world.job(job.id)["stage"]) == ("processing", "validating")


def test_a_start_that_was_given_up_before_its_first_stage(world: World, nowhere: str) -> None:
    job = world.planted()
    world.functions.environment["STEP_FUNCTIONS_ENDPOINT_URL"] = nowhere
    assert world.process(job).status == 500
    del world.functions.environment["STEP_FUNCTIONS_ENDPOINT_URL"]
    for name in ("Validate", "Generate", "Store", "Watermark", "Complete"):  # the execution was started after all
        assert world.functions.invoke(f"Stages{name}Function", {"uploadId": job.id, "attempt": 1}).error is None
    assert world.job(job.id)["status"] == "completed"
    assert world.process(job).status == 409
    assert world.bill(job.id) == {1: 1}


def test_a_start_whose_execution_is_over_already(world: World) -> None:
    """Its name is used up; the job must neither hang nor be refused for ever."""
    job = world.planted()
    world.engine.client.start_execution(stateMachineArn=world.engine.arn, name=f"{job.id}-1", input="{}")
    world.wait_for_execution(job.id, 1)
    assert world.process(job).status == 202
    world.pass_time(MINUTE + 1)
    assert world.sweep().payload["failed"] == 1
    assert world.process(job).status == 202
    assert world.wait(job.id) == "completed"
    assert world.executions(job.id) == [f"{job.id}-1", f"{job.id}-2"]


def test_the_sweeper_without_step_functions_or_storage(world: World, nowhere: str) -> None:
    world.planted(confirmed=False)
    world.pass_time(2 * 86_400)
    world.functions.environment |= {"STEP_FUNCTIONS_ENDPOINT_URL": nowhere, "S3_ENDPOINT_URL": nowhere}
    run = world.sweep()
    assert run.error is None
    assert (run.payload["unconfirmed"], run.payload["objects"]) == (1, 0)
    assert world.objects(), "not deleted, and not forgotten"
    for name in ("STEP_FUNCTIONS_ENDPOINT_URL", "S3_ENDPOINT_URL"):
        del world.functions.environment[name]
    assert world.sweep().payload["objects"] == 0, "its next try is in five minutes"
    world.pass_time(5 * MINUTE + 1)
    assert world.sweep().payload["objects"] == 1
    world.assert_nothing_is_left_over()


def test_storage_unreachable(world: World, nowhere: str) -> None:
    world.functions.environment["S3_ENDPOINT_URL"] = nowhere
    world.reserve()  # signing needs nobody
    upload = world.planted(confirmed=False)
    refused = world.functions.invoke("ImageJobsConfirmFunction", invocations.confirm(upload.id))
    assert (refused.status, refused.body["error"]["code"]) == (500, "VERIFICATION_FAILED")
    assert refused.body["error"]["message"] == "We couldn't verify your upload. Let's try again!"
    assert nowhere not in refused.payload["body"]
    job = world.planted()
    world.process(job)
    assert world.wait(job.id) == "failed"
    assert world.job(job.id)["error_message"] == "Processing failed. Please try again."
    assert len([name for name, _, _ in world.functions.tasks if name == "ImageStagesValidateFunction"]) == 9
    assert world.bill(job.id) == {}

    del world.functions.environment["S3_ENDPOINT_URL"]
    world.call("ImageJobsConfirmFunction", invocations.confirm(upload.id), 200)
    for again in (upload, job):
        assert world.process(again).status == 202
        assert world.wait(again.id) == "completed"
    world.assert_nothing_is_left_over()
