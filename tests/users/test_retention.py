"""What is due is deleted, no earlier; what a user was told stays true, and a sweeper that dies loses nothing.

Finished upload sessions are kept for a week here, recordings for three days, unfinished sessions for a week at most.
"""

from tests.support.crash import deaths
from tests.support.upload_sessions import pdf
from tests.support.worlds import upload_sessions
from tests.support.worlds.speaking_sessions import SUB
from tests.support.worlds.world import DAY, HOUR
from tests.users.conftest import UsersWorld

FILE = pdf(800)


def finished(world: UsersWorld) -> str:
    session_id = world.create(FILE)
    world.complete(session_id, FILE)
    assert world.run(upload_sessions.finalize(session_id)).status == 200
    return session_id


def left(world: UsersWorld) -> tuple[set[str], set[str]]:
    """The sessions and recordings that there are."""
    sessions = world.rows.execute("SELECT id::text FROM upload_sessions WHERE status <> 'deleted'").fetchall()
    return {row["id"] for row in sessions}, set(world.recordings.ids())


def test_exactly_what_is_due_goes(world: UsersWorld) -> None:
    old, recording = finished(world), world.records(SUB, "Old")
    aborted = world.create(FILE)
    assert world.run(upload_sessions.abort(aborted)).status == 204
    world.pass_time(3 * DAY - HOUR)
    young, late = finished(world), world.records(SUB, "Young")
    world.sweep()
    assert left(world) == ({old, aborted, young}, {recording, late})
    world.pass_time(2 * HOUR)
    world.sweep()
    assert left(world) == ({old, aborted, young}, {late})
    world.pass_time(4 * DAY)
    world.sweep()
    assert left(world) == ({young}, set())
    world.sweep()
    assert world.accounted_for()[0] == world.objects().keys()
    assert world.mentions(old) == ["notifications", "outbox_events"], "not even a tombstone: nothing could still come"
    world.pass_time(4 * DAY)
    world.sweep()
    world.assert_nothing_is_left_over()
    assert (left(world), world.objects()) == ((set(), set()), {})


def test_a_sweeper_that_dies_anywhere_loses_nothing(world: UsersWorld) -> None:
    def due() -> None:
        finished(world)
        world.records(SUB, "Due")
        world.pass_time(8 * DAY)

    due()
    swept = world.sweep().effects
    beginning = swept.index("UPDATE upload_sessions")
    for trap in deaths(swept)[2 * beginning : 2 * swept.index("DELETE FROM rate_limits")]:
        due()
        assert world.functions.invoke("OperationsSweepFunction", {}, trap).error is not None
        world.sweep()
        assert left(world) == (set(), set())
    world.assert_nothing_is_left_over()
    assert world.objects() == {}


def test_what_is_kept_for_good_has_no_date(world: UsersWorld) -> None:
    """A stage that sets its retention later deletes nothing of what people were told is kept."""
    world.functions.environment |= {"UPLOAD_RETENTION_DAYS": "0", "RECORDING_RETENTION_DAYS": "0"}  # type: ignore[union-attr]
    kept, recording = finished(world), world.records(SUB, "Kept")
    world.functions.environment |= {"UPLOAD_RETENTION_DAYS": "1", "RECORDING_RETENTION_DAYS": "1"}  # type: ignore[union-attr]
    world.pass_time(1000 * DAY)
    world.sweep()
    assert left(world) == ({kept}, {recording})
