"""An analysis that runs twice, late, or while its recording is deleted or tried again changes nothing."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.crashes.test_analysis import DELETE, PAID, STAGES
from tests.support.recordings import wav
from tests.support.worlds.analyses import (
    ANALYSE,
    COMPLETE,
    FAIL,
    PREPARE,
    TRANSCRIBE,
    AnalysesWorld,
    delete_event,
    task_event,
)
from tests.support.worlds.speaking_sessions import form_event

FORWARD = [name for name in STAGES if name != FAIL]


@pytest.fixture
def world(analyses_world: AnalysesWorld) -> AnalysesWorld:
    """Name this file's world."""
    return analyses_world


def before(world: AnalysesWorld, name: str) -> str:
    """Return a recording for which this stage is next."""
    session_id = world.planted()
    for stage in FORWARD[: FORWARD.index(name)] if name in FORWARD else []:
        assert world.task(stage, session_id).error is None
    return session_id


def test_every_stage_twice_is_once(world: AnalysesWorld) -> None:
    session_id = world.planted()
    for name in FORWARD:
        for _ in range(2):
            assert world.task(name, session_id).error is None
    assert world.bill(session_id) == PAID
    assert world.told(session_id) == (1, 1)


def test_two_workers_at_one_stage_are_one(world: AnalysesWorld) -> None:
    """One stands still at each of its points while another does the same stage."""
    for name in FORWARD:
        for point in range(2 * len(STAGES[name])):
            session_id = before(world, name)
            with world.functions.held(name, task_event(name, session_id), point) as held:
                world.task(name, session_id)
                held.release()
            for stage in FORWARD[FORWARD.index(name) :]:
                world.task(stage, session_id)
            paid = world.bill(session_id)
            assert max(paid.values()) == 1, (name, point)
            if world.row(session_id)["status"] == "PROCESSING":  # who was paid cannot be known: this attempt ends
                world.task(FAIL, session_id)
                assert world.told(session_id) == (0, 0)
            else:
                assert (paid, world.told(session_id)) == (PAID, (1, 1)), (name, point)
    world.assert_nothing_is_left_over()


def test_a_row_names_the_execution_that_works_on_it(world: AnalysesWorld) -> None:
    """So that the sweeper asks for that one, should the state machine be replaced meanwhile."""
    taken_in = world.functions.invoke("SpeakingSessionsCreateFunction", form_event()).body["id"]
    announced = world.put()
    world.complete(announced)
    tried_again = world.planted()
    world.task(FAIL, tried_again)
    world.again(tried_again)
    for session_id, attempt in ((taken_in, 1), (announced, 1), (tried_again, 2)):
        assert world.row(session_id)["workflow_run_id"] == world.execution_arn(session_id, attempt)
        world.wait(session_id)


def test_after_the_state_machine_was_replaced_nothing_starts_beside_what_runs(world: AnalysesWorld) -> None:
    """What an old machine runs is asked for by its own name; what it has never started starts as the new machine's."""
    session_id = world.planted()
    world.rows.execute(
        "UPDATE speaking_sessions SET workflow_run_id = %s, updated_at = now() - interval '1 hour' WHERE id = %s",
        [world.execution_arn(session_id).replace(":execution:", ":execution:Former"), session_id],
    )
    world.functions.invoke("OperationsSweepFunction", {"only": ["reconcile_analyses"]})
    assert world.wait(session_id) == "COMPLETED"
    assert world.row(session_id)["workflow_run_id"] == world.execution_arn(session_id)


def test_late_stages_change_nothing(world: AnalysesWorld) -> None:
    """Neither after the end nor after another attempt has begun: not a row, not an object, not a cent."""
    completed, tried_again = world.analysed(), world.planted()
    world.task(PREPARE, tried_again)
    world.task(FAIL, tried_again)
    assert world.again(tried_again).status == 202
    assert world.wait(tried_again) == "COMPLETED"
    known, paid = world.snapshot(), world.functions.bill()
    for name in STAGES:
        world.task(name, completed)
        error = world.task(name, tried_again).error
        assert name == FAIL or (error and error["errorType"] == "StaleAttempt")
    assert world.snapshot() == known
    assert world.functions.bill() == paid


@pytest.mark.parametrize("name", STAGES)
def test_deleted_while_a_stage_runs(world: AnalysesWorld, name: str) -> None:
    for point in range(2 * len(STAGES[name])):
        session_id = before(world, name)
        with world.functions.held(name, task_event(name, session_id), point) as held:
            assert world.delete(session_id).status == 200
            held.release()
        for stage in STAGES:
            world.task(stage, session_id)
        assert max(world.bill(session_id).values(), default=0) <= 1
    world.assert_nothing_is_left_over()
    assert not world.objects()
    for table in ("transcripts", "insights", "speech_calls"):
        assert not world.rows.execute(f"SELECT FROM {table}").rowcount, table


def test_completed_while_it_is_deleted(world: AnalysesWorld) -> None:
    for point in range(2 * len(DELETE)):
        session_id = before(world, COMPLETE)
        with world.functions.held("SpeakingSessionsDeleteFunction", delete_event(session_id), point) as deleting:
            world.task(COMPLETE, session_id)
            assert deleting.release().status == 200
    world.assert_nothing_is_left_over()
    assert not world.objects()


def test_a_failure_and_a_completion_are_one_end(world: AnalysesWorld) -> None:
    for point in range(2 * len(STAGES[COMPLETE])):
        session_id = before(world, COMPLETE)
        with world.functions.held(COMPLETE, task_event(COMPLETE, session_id), point) as held:
            world.task(FAIL, session_id)
            held.release()
        completed = world.row(session_id)["status"] == "COMPLETED"
        assert completed == (point == 7), point
        assert world.told(session_id) == ((1, 1) if completed else (0, 0))
        assert sum(count for (name, _), count in world.events(session_id).items() if "started" not in name) == 1


def test_off_keeps_recordings_as_they_arrived(world: AnalysesWorld) -> None:
    world.functions.environment["ANALYSIS"] = "off"
    session_id = world.record().body["id"]
    world.pass_time(3600)
    assert world.sweep().payload["started"] == 0
    assert world.executions(session_id) == []
    assert (world.row(session_id)["status"], world.row(session_id)["attempt"]) == ("UPLOADED", 0)


def test_a_date_of_deletion_that_was_told_stays(world: AnalysesWorld) -> None:
    """Whatever the setting has become when the recording is heard."""
    session_id = world.planted()
    world.rows.execute("UPDATE speaking_sessions SET delete_after = now() + interval '30 days'")
    told = world.row(session_id)["delete_after"]
    world.functions.environment["RECORDING_RETENTION_DAYS"] = "1"
    world.start(session_id)
    assert world.wait(session_id) == "COMPLETED"
    assert world.row(session_id)["delete_after"] == told


def test_of_fifty_at_once_a_users_daily_limit_lets_in_as_many_as_it_says(world: AnalysesWorld) -> None:
    world.functions.environment["RECORDINGS_PER_DAY"] = "7"
    together = threading.Barrier(50)

    def send(_: int) -> int:
        together.wait()
        return world.functions.invoke("SpeakingSessionsCreateFunction", form_event()).status

    with ThreadPoolExecutor(50) as threads:
        statuses = list(threads.map(send, range(50)))
    assert sorted(statuses) == [201] * 7 + [429] * 43
    assert len(world.ids()) == 7
    for session_id in world.ids():
        assert world.wait(session_id) == "COMPLETED"
        assert world.executions(session_id) == [f"{session_id}-1"]


def test_nothing_is_asked_where_nobody_speaks(world: AnalysesWorld) -> None:
    session_id = world.planted(wav(bytes(48_000)))
    world.start(session_id)
    assert world.wait(session_id) == "COMPLETED"
    assert not world.bill(session_id)
    hints = world.rows.execute("SELECT category FROM insights WHERE session_id = %s", [session_id]).fetchall()
    assert [row["category"] for row in hints] == ["silence"]


@pytest.mark.parametrize(("outcome", "cost"), [("GenerationBlocked", 0), ("GenerationMalformed", 1)])
def test_remarks_that_fail_for_good_fail_nothing_else(world: AnalysesWorld, outcome: str, cost: int) -> None:
    session_id = world.planted()
    world.functions.script_model(session_id, "answers", outcome)
    world.start(session_id)
    assert world.wait(session_id) == "COMPLETED"
    assert world.told(session_id) == (1, 0)
    assert (world.bill(session_id)[TRANSCRIBE, 1], world.bill(session_id)[ANALYSE, 1]) == (1, cost)


def test_a_refusal_costs_nothing_and_is_asked_again(world: AnalysesWorld) -> None:
    session_id = world.planted()
    world.functions.script_model(session_id, *["GenerationUnavailable"] * 3, "answers", "GenerationTimedOut")
    world.start(session_id)
    assert world.wait(session_id) == "COMPLETED"
    assert world.bill(session_id) == {(TRANSCRIBE, 1): 1, (ANALYSE, 1): 2}


@pytest.mark.parametrize(
    ("outcomes", "cost"),
    [
        (["GenerationMalformed"], 1),
        (["GenerationTimedOut"] * 2, 2),
        (["GenerationUnavailable"] * 4, 0),
        (["GenerationMisconfigured"], 0),
    ],
)
def test_words_that_cannot_be_had_fail_the_attempt(world: AnalysesWorld, outcomes: list[str], cost: int) -> None:
    session_id = world.planted()
    world.functions.script_model(session_id, *outcomes)
    world.start(session_id)
    assert world.wait(session_id) == "FAILED"
    row = world.row(session_id)
    assert (row["error_message"], row["final"]) == ("The analysis failed. Please try again.", False)
    assert world.told(session_id) == (0, 0)
    assert world.bill(session_id)[TRANSCRIBE, 1] == cost
    assert world.again(session_id).status == 202
    assert world.wait(session_id) == "COMPLETED"
