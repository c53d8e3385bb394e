"""POST /api/sessions/{id}/analyse: again, after a failure. What an analysis does is in tests/speaking_sessions."""

import pytest

from tests.support.crash import Run
from tests.support.worlds.analyses import FAIL, NO_RECORDING, AnalysesWorld, again_event, speaker


@pytest.fixture
def world(analyses_world: AnalysesWorld) -> AnalysesWorld:
    """Name this file's world."""
    return analyses_world


def refusal(run: Run) -> tuple[int, str]:
    return run.status, run.body["code"]


def test_three_attempts_at_most(world: AnalysesWorld) -> None:
    session_id = world.planted(NO_RECORDING)
    for attempt in (1, 2, 3):
        assert refusal(world.again(session_id)) == (409, "ALREADY_PROCESSING")
        world.task(FAIL, session_id, attempt)
        answer = world.again(session_id)
        if attempt < 3:
            assert (answer.status, answer.body["status"]) == (202, "UPLOADED")
            world.wait_for_execution(session_id, attempt + 1)
            world.rows.execute(
                "UPDATE speaking_sessions SET status = 'PROCESSING', final = false WHERE id = %s", [session_id]
            )
    assert refusal(answer) == (409, "NOT_RETRYABLE")


def test_none_for_what_was_refused(world: AnalysesWorld) -> None:
    session_id = world.planted(NO_RECORDING)
    world.start(session_id)
    assert world.wait(session_id) == "FAILED"
    answer = world.again(session_id)
    assert refusal(answer) == (409, "NOT_RETRYABLE")
    assert answer.body["error"] == "There is no sound in this file that we can decode. Please record it again."


def test_none_for_what_is_analysed(world: AnalysesWorld) -> None:
    assert refusal(world.again(world.analysed())) == (409, "ALREADY_PROCESSING")


def test_none_for_anybody_else(world: AnalysesWorld) -> None:
    session_id, other = world.planted(), world.planted()
    world.task(FAIL, session_id)
    event = again_event(session_id, speaker(other))
    run = world.functions.invoke("SpeakingSessionsAnalyseFunction", event)
    assert refusal(run) == (404, "SESSION_NOT_FOUND")
    assert world.row(session_id)["status"] == "FAILED"


def test_none_where_nothing_is_analysed(world: AnalysesWorld) -> None:
    session_id = world.planted()
    world.task(FAIL, session_id)
    world.functions.environment["ANALYSIS"] = "off"
    answer = world.again(session_id)
    assert refusal(answer) == (409, "NOT_RETRYABLE")
    assert answer.body["error"] == "Recordings are not analysed here."
    assert world.row(session_id)["status"] == "FAILED"


def test_of_two_at_once_one_wins(world: AnalysesWorld) -> None:
    for point in range(4):
        session_id = world.planted()
        world.task(FAIL, session_id)
        with world.functions.held("SpeakingSessionsAnalyseFunction", again_event(session_id), point) as held:
            other = world.again(session_id)
            late = held.release()
        assert sorted((other.status, late.status)) == [202, 409], point
        assert world.wait(session_id) == "COMPLETED"
        assert world.executions(session_id) == [f"{session_id}-2"]
