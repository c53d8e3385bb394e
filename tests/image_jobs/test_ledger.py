"""What the model may be asked, and how often, by what became of the earlier calls."""

import pytest

from inlet import keys
from tests.support import photographs
from tests.support.worlds.image_jobs import ImageJobsWorld

PNG = photographs.photograph(picture_format="PNG")
JPEG = photographs.photograph()


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
    world: ImageJobsWorld, outcomes: list[str], status: str, bill: dict[int, int], message: str | None
) -> None:
    job = world.planted()
    world.functions.script_model(job.id, *outcomes)
    world.process(job)
    assert world.wait(job.id) == status
    assert world.bill(job.id) == bill
    assert world.job(job.id)["error_message"] == message
    assert world.job(job.id)["progress"] == (100 if status == "completed" else 30)


def test_a_missing_key_costs_no_call_and_no_attempt(world: ImageJobsWorld) -> None:
    """Found before the ledger says that a call is under way: the task waits in line until the key is there."""
    job = world.started()
    world.task("ImageStagesValidateFunction", job)
    world.functions.environment["GENERATOR"] = "gemini"
    for _ in range(2):
        error = world.task("ImageStagesGenerateFunction", job).error
        assert error is not None
        assert error["errorType"] == "GenerationNotConfigured"
        assert "GEMINI_API_KEY" in error["errorMessage"]
    assert world.rows.execute("SELECT * FROM generations").fetchall() == []
    world.functions.environment["GEMINI_API_KEY"] = "there at last"
    assert world.task("ImageStagesGenerateFunction", job).error is None
    assert world.bill(job.id) == {1: 1}


def test_an_engine_that_retries_too_often_is_stopped_by_the_ledger(world: ImageJobsWorld) -> None:
    job = world.started()
    world.task("ImageStagesValidateFunction", job)
    world.functions.script_model(job.id, *["GenerationTimedOut"] * 5)
    errors = [world.task("ImageStagesGenerateFunction", job).error for _ in range(5)]
    assert [error and error["errorType"] for error in errors] == ["GenerationTimedOut"] * 5
    assert world.bill(job.id) == {1: 2}


def test_two_generating_at_once_call_the_model_once(world: ImageJobsWorld) -> None:
    job = world.started()
    world.task("ImageStagesValidateFunction", job)
    with world.functions.held("ImageStagesGenerateFunction", {"uploadId": job.id, "attempt": 1}, point=8) as first:
        second = world.task("ImageStagesGenerateFunction", job)
        assert second.error is not None
        assert second.error["errorType"] == "GenerationInterrupted"
        assert first.release().error is None
    assert world.bill(job.id) == {1: 1}


@pytest.mark.parametrize(
    "answer",
    [
        PNG[: len(PNG) // 2],
        JPEG[:-30],
        photographs.flat_png(9000, 9000),
        photographs.svg(),
        b"",
    ],
)
def test_an_answer_that_is_no_picture_is_forgotten_and_another_attempt_asks_anew(
    world: ImageJobsWorld, answer: bytes
) -> None:
    job = world.started()
    world.task("ImageStagesValidateFunction", job)
    world.task("ImageStagesGenerateFunction", job)
    world.storage.put_object(Bucket=world.bucket, Key=keys.generated(job.id), Body=answer)
    error = world.task("ImageStagesStoreFunction", job).error
    assert error is not None
    assert error["errorType"] == "GenerationMalformed"
    assert keys.generated(job.id) not in world.objects()
    world.task("ImageStagesFailFunction", job)
    assert world.process(job).status == 202
    assert world.wait(job.id) == "completed"
    assert world.bill(job.id) == {1: 1, 2: 1}


def test_three_attempts_are_all(world: ImageJobsWorld) -> None:
    job = world.planted()
    world.functions.script_model(job.id, *["GenerationMalformed"] * 3)
    for attempt in (1, 2, 3):
        assert world.process(job).status == 202
        assert world.wait(job.id) == "failed"
        assert world.job(job.id)["attempt"] == attempt
    refused = world.process(job)
    assert (refused.status, refused.body["error"]["code"]) == (409, "ALREADY_PROCESSING")
    assert refused.body["status"] == "failed"
    assert world.executions(job.id) == [f"{job.id}-{attempt}" for attempt in (1, 2, 3)]
    assert world.events(job.id)["status_failed"] == world.events(job.id)["processing_started"] == 1
