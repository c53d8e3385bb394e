"""Deletion that meets other calls: nothing of the session stays, and nothing that another session relies on goes."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import psycopg
import pytest

from inlet import identifiers
from inlet.upload_sessions import upload_sessions_table
from tests.support.crash import Run
from tests.support.upload_sessions import File, digest, pdf
from tests.support.worlds.upload_sessions import (
    SWEEP,
    USER,
    Call,
    UploadSessionsWorld,
    abort,
    complete,
    create,
    delete,
    finalize,
    read,
    register,
)

FILE = pdf(3000)
KNOWN = replace(FILE, sha256=digest(FILE.content))
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def finished(world: UploadSessionsWorld, file: File = KNOWN) -> str:
    session_id = world.create(file)
    world.complete(session_id, file)
    assert world.run(finalize(session_id)).status == 200
    return session_id


def has_its_file(world: UploadSessionsWorld, session_id: str) -> bool:
    """Whether the session can be finalized as it is, and gives out what was sent."""
    run = world.run(finalize(session_id))
    return run.status == 200 and httpx.get(run.body["files"][0]["fileUrl"]).content == KNOWN.content


def wait_for_lock(world: UploadSessionsWorld, running: Callable[[], bool]) -> None:
    """Until one call stands at a lock that the test holds."""
    while world.rows.execute(WAITING).fetchone() != {"count": 1}:
        assert not running()


def is_gone(world: UploadSessionsWorld, session_id: str) -> bool:
    return world.run(read(session_id)).status == 404 and world.files(session_id) == []


@pytest.mark.parametrize("point", range(6))
def test_while_finalizing(world: UploadSessionsWorld, point: int) -> None:
    """Before the lease deletion wins; under it, it is told to ask again; after the commit it is a completed one's."""
    session_id = world.create(FILE)
    world.complete(session_id, FILE)
    with world.held(finalize(session_id), point) as held:
        deleted = world.run(delete(session_id))
        finalized = held.release()
    expected = (204, 404) if point == 0 else (204, 200) if point == 5 else (409, 200)
    assert (deleted.status, finalized.status) == expected
    assert is_gone(world, session_id) == (deleted.status == 204)
    world.assert_nothing_is_left_over()
    assert bool(world.objects()) == (deleted.status == 409)


@pytest.mark.parametrize("call", ["complete", "register"])
def test_while_a_file_is_on_its_way(world: UploadSessionsWorld, call: str) -> None:
    for point in range(4):
        session_id = world.create(FILE)
        if call == "complete":
            sent = world.send(session_id, FILE)
            other = complete(session_id, sent.id, sent.etags)
        else:
            other = register(session_id, FILE)
        with world.held(other, point) as held:
            assert world.run(delete(session_id)).status == 204
            late = held.release()
        assert late.status == (404 if point < 3 else 200 if call == "complete" else 201)
        assert is_gone(world, session_id)
    world.assert_nothing_is_left_over()
    assert world.objects() == {}
    assert world.rows.execute("SELECT FROM upload_sessions").rowcount == 0, "no tombstone stays"


def test_by_its_owner_and_by_the_sweeper(world: UploadSessionsWorld) -> None:
    """The sweeper passes by what its owner is about to delete; what it has deleted is not found."""
    for point in range(4):
        session_id = finished(world, FILE)
        world.rows.execute("UPDATE upload_sessions SET delete_after = now() WHERE id = %s", (session_id,))
        with world.held(delete(session_id), point) as held:
            swept = world.run(SWEEP)
            deleted = held.release()
        assert swept.error is None
        assert (deleted.status, swept.payload["due_sessions"]) == (204, 0)
        assert is_gone(world, session_id)
    swept_away = finished(world, FILE)
    world.rows.execute("UPDATE upload_sessions SET delete_after = now() WHERE id = %s", (swept_away,))
    assert world.run(SWEEP).payload["due_sessions"] == 1
    assert world.run(delete(swept_away)).status == 404
    world.assert_nothing_is_left_over()
    assert world.objects() == {}


def test_a_session_that_is_just_beginning_to_rely_on_it(world: UploadSessionsWorld, database_url: str) -> None:
    """It has named the file as a duplicate, and is not yet visible to the deletion that waits for it."""
    first, second = finished(world), identifiers.new_uuid()
    declared = {"position": 0, "category": "instruction", "filename": "manual.pdf", "mime_type": "application/pdf"}
    parameters = {
        "id": second,
        "user_id": USER,
        "part_size_bytes": 5242880,
        "companion_token_hash": "",
        "ticket_hash": None,
        "files": json.dumps([declared | {"size": len(KNOWN.content), "sha256": KNOWN.sha256}]),
        "events": "[]",
    }
    with psycopg.connect(database_url) as creating, ThreadPoolExecutor(1) as pool:
        named = creating.execute(upload_sessions_table._CREATE, parameters).fetchone()
        assert named is not None
        assert len(named[1]) == 1
        deleting = pool.submit(world.run, delete(first))
        wait_for_lock(world, deleting.done)
        creating.commit()
        assert deleting.result().status == 204
    assert is_gone(world, first)
    assert has_its_file(world, second)


def test_a_session_that_comes_too_late_sends_the_file_itself(world: UploadSessionsWorld) -> None:
    """The deletion has not committed: creation waits for it, and names nothing that is gone."""
    first = finished(world)
    with world.held(delete(first), 1) as deleting, ThreadPoolExecutor(1) as pool:
        creating = pool.submit(world.run, create(KNOWN))
        wait_for_lock(world, creating.done)
        assert deleting.release().status == 204
        created = creating.result()
    assert (created.status, created.body["duplicates"]) == (201, [])
    second = created.body["sessionId"]
    world.complete(second, KNOWN)
    assert has_its_file(world, second)
    world.assert_nothing_is_left_over()


def test_many_at_once_pass_the_file_on(world: UploadSessionsWorld) -> None:
    """Sessions that rely on one another's file are created and deleted together. Whoever was told of it has it."""
    for _ in range(3):
        known = [finished(world), *(world.create(KNOWN) for _ in range(2))]
        calls: list[Call] = [delete(session_id) for session_id in known] + [create(KNOWN)] * 4
        barrier = threading.Barrier(len(calls))

        def one(call: Call, barrier: threading.Barrier = barrier) -> Run:
            barrier.wait()
            return world.run(call)

        with ThreadPoolExecutor(len(calls)) as pool:
            runs = list(pool.map(one, calls))
        assert [run.status for run in runs] == [204] * 3 + [201] * 4
        for run in runs[3:]:
            session_id = run.body["sessionId"]
            if run.body["duplicates"]:
                assert has_its_file(world, session_id)
            assert world.run(delete(session_id)).status == 204
    world.assert_nothing_is_left_over()
    assert world.objects() == {}


@pytest.mark.parametrize("ending", ["abort", "expiry"])
def test_a_heir_that_is_never_finished_passes_it_on(world: UploadSessionsWorld, ending: str) -> None:
    """The object lies under the first session's prefix, and goes with the last that relies on it."""
    first, heir, last = finished(world), world.create(KNOWN), world.create(KNOWN)
    assert world.run(delete(first)).status == 204
    assert [len(world.files(session_id)) for session_id in (heir, last)] == [1, 0]
    if ending == "expiry":
        world.overdue(heir)
        world.sweep()
    else:
        assert world.run(abort(heir)).status == 204
    assert len(world.files(last)) == 1
    assert has_its_file(world, last)
    world.sweep()
    assert world.run(delete(last)).status == 204
    world.assert_nothing_is_left_over()
    assert world.objects() == {}
