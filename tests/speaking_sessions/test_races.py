"""One request stands still at each of its points while another runs: in the end, as many recordings as sessions."""

from contextlib import ExitStack

import pytest

from tests.support.worlds.speaking_sessions import (
    COMPLETE,
    CREATE_BY_FORM,
    DELETE,
    NO_RECORDING,
    RECORDING,
    REFUSE,
    SpeakingSessionsWorld,
)


@pytest.mark.parametrize("content", [RECORDING, NO_RECORDING], ids=["a recording", "no recording"])
def test_deleting_while_completing(world: SpeakingSessionsWorld, content: bytes) -> None:
    effects = COMPLETE if content == RECORDING else REFUSE
    for point in range(2 * len(effects)):
        session_id = world.put(content)
        with world.completing(session_id, point) as held:
            deleted = world.delete(session_id)
            completed = held.release()
        assert deleted.status in (200, 404)
        assert completed.status in (200, 400, 404, 409)  # 409: the object went before it was looked at
        assert session_id not in world.ids()
        assert session_id not in world.recorded_ids()
    world.assert_nothing_is_left_over()


def test_completing_and_reading_while_deleting(world: SpeakingSessionsWorld) -> None:
    for point in range(2 * len(DELETE)):
        session_id = world.put()
        with world.deleting(session_id, point) as held:
            completed, read = world.complete(session_id), world.read(session_id)
            assert (completed.status, read.status) == ((200, 200) if point == 0 else (404, 404))
            world.assert_no_claim_is_false()
            assert held.release().body == {"ok": True}
    assert world.recorded_ids() == []
    world.assert_nothing_is_left_over()


def test_deleting_while_a_form_is_taken_in(world: SpeakingSessionsWorld) -> None:
    for point in range(5, 2 * len(CREATE_BY_FORM)):  # from where there is a session to delete
        with world.recording(point) as held:
            [session_id] = world.ids()
            assert world.delete(session_id).body == {"ok": True}
            assert held.release().status == (404 if point < 9 else 201)
        assert world.ids() == []
        world.sweep()
        assert world.recorded_ids() == []
    world.assert_nothing_is_left_over()


def test_two_deletions_at_once_are_one(world: SpeakingSessionsWorld) -> None:
    for point in range(2 * len(DELETE)):
        session_id = world.put()
        with world.deleting(session_id, point) as held:
            assert world.delete(session_id).status == (200 if point == 0 else 404)
            assert held.release().status == (404 if point == 0 else 200)
    world.assert_nothing_is_left_over()


def test_completing_at_once_is_completing_once(world: SpeakingSessionsWorld) -> None:
    session_id = world.put()
    with ExitStack() as stack:
        held = [stack.enter_context(world.completing(session_id, point)) for point in (0, 1, 2, 0, 1, 2)]
        assert [one.release().status for one in held] == [200] * 6
    world.assert_nothing_is_left_over()
    assert world.ids() == [session_id]
