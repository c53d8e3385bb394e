"""Every call of speaking sessions killed, or cut off from an answer, at each of its effects.

Whatever happens, no session claims audio it has not, and in the end no object is left without its row. The lists of
effects are checked against a clean run, so no effect escapes.
"""

import pytest

from tests.support.crash import traps
from tests.support.worlds.speaking_sessions import (
    COMPLETE,
    CREATE_BY_FORM,
    CREATE_DIRECT,
    DELETE,
    NO_RECORDING,
    REFUSE,
    SpeakingSessionsWorld,
)


@pytest.fixture
def world(speaking_sessions_world: SpeakingSessionsWorld) -> SpeakingSessionsWorld:
    """Name this file's world."""
    return speaking_sessions_world


def test_a_form_may_end_anywhere(world: SpeakingSessionsWorld) -> None:
    assert world.record().effects == CREATE_BY_FORM
    for trap in traps(CREATE_BY_FORM):
        run = world.record(trap)
        if run.error is None:
            # A lost answer of the database is asked for again; one of the bucket is a failure without a session.
            assert run.status == (500 if trap.point // 2 == CREATE_BY_FORM.index("PutObject") else 201)
        world.assert_no_claim_is_false()
    world.assert_nothing_is_left_over()
    assert len(world.ids()) == 1 + 1 + 4  # the clean run; the death after the last effect; four lost answers


def test_an_announcement_may_end_anywhere(world: SpeakingSessionsWorld) -> None:
    assert world.announce().effects == CREATE_DIRECT
    for trap in traps(CREATE_DIRECT):
        world.announce(trap=trap)
    world.assert_nothing_is_left_over()
    assert world.ids() == []


def test_completing_may_end_anywhere_and_be_repeated(world: SpeakingSessionsWorld) -> None:
    assert world.complete(world.put()).effects == COMPLETE
    for trap in traps(COMPLETE):
        session_id = world.put()
        world.complete(session_id, trap)
        world.assert_no_claim_is_false()
        assert world.complete(session_id).body["status"] == "UPLOADED"
    world.assert_nothing_is_left_over()
    assert len(world.ids()) == 1 + len(traps(COMPLETE))


def test_refusing_may_end_anywhere_and_be_repeated(world: SpeakingSessionsWorld) -> None:
    assert world.complete(world.put(NO_RECORDING)).effects == REFUSE
    for trap in traps(REFUSE):
        session_id = world.put(NO_RECORDING)
        world.complete(session_id, trap)
        again = world.complete(session_id)
        assert (again.status, again.body["code"]) in ((400, "INVALID_FILE"), (404, "SESSION_NOT_FOUND"))
    assert world.ids() == []
    world.assert_nothing_is_left_over()


def test_deleting_may_end_anywhere_and_be_repeated(world: SpeakingSessionsWorld) -> None:
    def recorded() -> str:
        session_id: str = world.record().body["id"]
        return session_id

    assert world.delete(recorded()).effects == DELETE
    for trap in traps(DELETE):
        session_id = recorded()
        world.delete(session_id, trap)
        assert world.delete(session_id).status in (200, 404)
        assert world.read(session_id).status == 404
    assert world.ids() == []
    world.sweep()
    assert world.recorded_ids() == []
    world.assert_nothing_is_left_over()
