"""Releasing a full-size result: once, however often it is asked for, and only of what is there."""

from tests.support.crash import Trap
from tests.support.worlds.image_jobs import ImageJobsWorld

RELEASE = "OperationsReleaseFunction"


def test_is_repeatable_and_reported_once(world: ImageJobsWorld) -> None:
    job = world.finished()
    for trap in (Trap(0), Trap(1), Trap(1, "lose"), None):
        world.functions.invoke(RELEASE, {"uploadId": job.id}, trap)
    released = world.job(job.id)
    assert released["released_at"]
    assert world.functions.invoke(RELEASE, {"uploadId": job.id}).payload == {"uploadId": job.id}
    assert world.job(job.id) == released, "again, nothing changes"
    assert world.events(job.id)["result_released"] == 1


def test_what_cannot_be_released_is_said(world: ImageJobsWorld) -> None:
    running = world.started()
    for event, kind, words in (
        ({"uploadId": running.id}, "ResultNotReady", "Your result isn't ready yet."),
        ({"uploadId": "unknown"}, "UploadNotFound", "Upload not found. Please try again."),
        ({"id": running.id}, "InvalidRequest", 'Invoke this function with {"uploadId": "…"}'),
    ):
        error = world.functions.invoke(RELEASE, event).error
        assert error is not None
        assert error["errorType"] == kind
        assert error["errorMessage"].startswith(words)
    assert world.job(running.id)["released_at"] is None
