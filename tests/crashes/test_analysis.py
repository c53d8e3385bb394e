"""The analysis of a recording: each of its functions is killed, or loses an answer, at each of its effects.

Then the speaker, the engine's Retry and the sweeper do what they do, and every recording must end `COMPLETED`, or
honestly `FAILED`; each model is paid at most once an attempt, and nothing is told twice. The tables of effects are
checked against a clean run, so no effect escapes.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.crash import Trap, traps
from tests.support.worlds.analyses import (
    ANALYSE,
    COMPLETE,
    FAIL,
    NO_RECORDING,
    PREPARE,
    RECORDING,
    TRANSCRIBE,
    AnalysesWorld,
)
from tests.support.worlds.world import DAY, MINUTE

ROW = "UPDATE speaking_sessions"
MODEL_CALL = "INSERT INTO rate_limits"  # one statement counts the call in the day's budget and enters it in the ledger
ARRIVES = ["INSERT INTO rate_limits", "INSERT INTO users", "INSERT INTO speaking_sessions", "PutObject", ROW]
STAGES = {
    PREPARE: [ROW, "HeadObject", "GetObject", "PutObject", "PutObject"],
    TRANSCRIBE: [ROW, "HeadObject", "GetObject", MODEL_CALL, "model", "PutObject", "UPDATE speech_calls", ROW],
    ANALYSE: [
        *(ROW, "HeadObject", "GetObject", "GetObject", MODEL_CALL, "model", "PutObject", "UPDATE speech_calls"),
    ],
    COMPLETE: [ROW, "GetObject", "GetObject", ROW],
    FAIL: [ROW],
}
DELETE = ["DELETE FROM speaking_sessions", "DeleteObjects", "UPDATE object_deletions"]
SWEEP = {"DescribeExecution", "StartExecution", ROW, "DELETE FROM speaking_sessions", "DeleteObjects"}
NOTHING_HEARD = "There is no sound in this file that we can decode. Please record it again."
GENERIC = "The analysis failed. Please try again."
PAID = {(TRANSCRIBE, 1): 1, (ANALYSE, 1): 1}
STARTED, COMPLETED, FAILED = (f"recording_analysis_{event}" for event in ("started", "completed", "failed"))


@pytest.fixture
def world(analyses_world: AnalysesWorld) -> AnalysesWorld:
    """Name this file's world."""
    return analyses_world


def assert_is_told(world: AnalysesWorld, session_id: str, trap: Trap, attempt: int = 1) -> None:
    """Find transcript and remark, once each, and one event of the beginning and of the end."""
    assert world.told(session_id) == (1, 1), trap
    row = world.row(session_id)
    assert (row["attempt"], row["progress"], row["metrics"]["words"]) == (attempt, 100, 60), trap
    assert world.events(session_id)[STARTED, attempt] == world.events(session_id)[COMPLETED, attempt] == 1, trap


def has_unknown_bill(name: str, trap: Trap) -> bool:
    """Tell whether it dies between the ledger's entry and the bytes in the bucket: nobody knows what was paid."""
    effects = STAGES[name]
    if trap.mode != "die" or "model" not in effects:
        return False
    return 2 * effects.index(MODEL_CALL) < trap.point < 2 * effects.index("PutObject") + 1


def test_a_clean_run_has_the_effects_that_are_listed(world: AnalysesWorld) -> None:
    assert_is_told(world, world.analysed(), Trap(-1))
    spoilt = world.planted(NO_RECORDING)
    world.start(spoilt)
    assert world.wait(spoilt) == "FAILED"
    assert world.row(spoilt)["error_message"] == NOTHING_HEARD
    for name, effects in STAGES.items():
        assert next(run.effects for task, _, run in world.functions.tasks if task == name) == effects, name


@pytest.mark.parametrize("name", STAGES)
def test_a_stage(world: AnalysesWorld, name: str) -> None:
    def scenario(trap: Trap) -> str:
        session_id = world.planted(NO_RECORDING if name == FAIL else RECORDING)
        world.functions.arm(name, session_id, trap)
        world.start(session_id)
        return session_id

    sessions = run_all(scenario, traps(STAGES[name]))
    for session_id, trap in zip(sessions, traps(STAGES[name]), strict=True):
        status = world.wait(session_id)
        assert world.events(session_id).most_common(1)[0][1] == 1, trap
        if name == FAIL:
            assert status == "FAILED", trap
            assert world.events(session_id) == {(STARTED, 1): 1, (FAILED, 1): 1}, trap
        elif has_unknown_bill(name, trap):
            assert status == "FAILED", trap
            assert world.row(session_id)["error_message"] == GENERIC, trap
            assert world.row(session_id)["progress"] == (30 if name == TRANSCRIBE else 80), trap
            assert world.bill(session_id)[name, 1] <= 1, trap
            assert world.again(session_id).status == 202, trap
            assert world.wait(session_id) == "COMPLETED", trap
            assert_is_told(world, session_id, trap, attempt=2)
            again = {(TRANSCRIBE, 2): 1, (ANALYSE, 2): 1} if name == TRANSCRIBE else {(ANALYSE, 2): 1}
            assert {call: paid for call, paid in world.bill(session_id).items() if call[1] == 2} == again, trap
        else:
            assert status == "COMPLETED", trap
            assert_is_told(world, session_id, trap)
            # A model's answer that is lost is asked for once more (a read time-out); everything else is paid once.
            lost = trap.mode == "lose" and STAGES[name][trap.point // 2] == "model"
            assert world.bill(session_id) == PAID | ({(name, 1): 2} if lost else {}), trap
    world.assert_nothing_is_left_over()


def test_arriving(world: AnalysesWorld) -> None:
    """A form may end anywhere: a recording that has arrived is analysed once, whoever starts it."""
    effects = [*ARRIVES, "StartExecution"]
    assert world.record().effects == effects
    runs = [world.record(trap) for trap in traps(effects)]
    world.pass_time(MINUTE + 1)
    world.sweep()
    arrived = world.rows.execute("SELECT id::text FROM speaking_sessions WHERE status <> 'CREATED'").fetchall()
    promised = {run.body["id"] for run in runs if run.error is None and run.status == 201}
    assert promised <= {row["id"] for row in arrived}
    assert len(arrived) == 1 + 3 + 5  # the clean run; a death after the last write; lost answers, but the bucket's
    for row in arrived:
        assert world.wait(row["id"]) == "COMPLETED"
        assert world.executions(row["id"]) == [f"{row['id']}-1"]
    world.assert_nothing_is_left_over()


def test_trying_again(world: AnalysesWorld) -> None:
    def failed() -> str:
        session_id = world.planted()
        world.task(FAIL, session_id)
        return session_id

    def scenario(trap: Trap) -> str:
        session_id = failed()
        world.again(session_id, trap)
        assert world.again(session_id).status == (202 if trap == Trap(0) else 409), trap
        return session_id

    effects = [ROW, "StartExecution"]
    assert world.again(failed()).effects == effects
    sessions = run_all(scenario, traps(effects))
    world.pass_time(MINUTE + 1)
    world.sweep()
    for session_id, trap in zip(sessions, traps(effects), strict=True):
        assert world.wait(session_id) == "COMPLETED", trap
        assert world.executions(session_id) == [f"{session_id}-2"], trap
        assert_is_told(world, session_id, trap, attempt=2)
    world.assert_nothing_is_left_over()


def test_deleting(world: AnalysesWorld) -> None:
    assert world.delete(world.analysed()).effects == DELETE

    def scenario(trap: Trap) -> str:
        session_id = world.analysed()
        world.delete(session_id, trap)
        assert world.delete(session_id).status == (200 if trap == Trap(0) else 404), trap
        return session_id

    run_all(scenario, traps(DELETE))
    world.assert_nothing_is_left_over()
    assert not world.objects()
    assert not any(
        world.rows.execute(f"SELECT FROM {table}").rowcount
        for table in ("speaking_sessions", "transcripts", "insights", "speech_calls")
    )


@pytest.mark.parametrize(("name", "progress"), [(PREPARE, 10), (TRANSCRIBE, 30), (ANALYSE, 80), (COMPLETE, 90)])
def test_a_stage_that_always_dies_fails_the_analysis(world: AnalysesWorld, name: str, progress: int) -> None:
    session_id = world.planted()
    world.functions.arm(name, session_id, *[Trap(1)] * 10)
    world.start(session_id)
    assert world.wait(session_id) == "FAILED"
    row = world.row(session_id)
    assert (row["error_message"], row["progress"], row["final"]) == (GENERIC, progress, False)
    assert len([task for task, _, _ in world.functions.tasks if task == name]) == 9
    world.assert_nothing_is_left_over()


def test_an_execution_that_cannot_even_fail_is_closed_by_the_sweeper(world: AnalysesWorld) -> None:
    session_id = world.planted(NO_RECORDING)
    world.functions.arm(FAIL, session_id, *[Trap(0)] * 20)
    world.start(session_id)
    world.wait_for_execution(session_id)
    assert world.row(session_id)["status"] == "PROCESSING"
    world.pass_time(11)
    world.sweep()
    assert world.wait(session_id) == "FAILED"
    assert world.row(session_id)["error_message"] == GENERIC
    assert world.events(session_id)[FAILED, 1] == 1
    world.assert_nothing_is_left_over()


def test_sweeping(world: AnalysesWorld) -> None:
    def litter() -> tuple[str, str, str]:
        """One of everything that the sweeper finishes."""
        overdue = world.analysed()
        world.rows.execute("UPDATE speaking_sessions SET delete_after = now() WHERE id = %s", [overdue])
        world.pass_time(DAY)
        lost, dead = sorted((world.planted(NO_RECORDING), world.planted(NO_RECORDING)))
        world.engine.client.start_execution(stateMachineArn=world.engine.analysis_arn, name=f"{dead}-1", input="{}")
        world.wait_for_execution(dead)
        world.pass_time(MINUTE + 1)
        return overdue, lost, dead

    litter()
    effects = world.sweep().effects
    assert set(effects) >= SWEEP
    for trap in traps(effects):
        effect = effects[trap.point // 2]
        if effect not in SWEEP or (trap.mode == "lose" and " " in effect):
            continue  # what sweeps other families' tables; a database's lost answer is asked for again at once
        overdue, lost, dead = litter()
        world.sweep(trap)
        world.pass_time(5 * MINUTE + 1)
        world.sweep()
        for session_id, message in ((lost, NOTHING_HEARD), (dead, GENERIC)):
            assert world.wait(session_id) == "FAILED", trap
            assert world.row(session_id)["error_message"] == message, trap
            assert world.executions(session_id) == [f"{session_id}-1"], trap
            assert world.events(session_id)[FAILED, 1] == 1, trap
        assert not [key for key in world.objects() if overdue in key], trap
    world.assert_nothing_is_left_over()


def run_all(scenario: Callable[[Trap], str], all_traps: list[Trap]) -> list[str]:
    """Play all scenarios at once: their recordings have nothing to do with each other, and are of many speakers."""
    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(scenario, all_traps))
