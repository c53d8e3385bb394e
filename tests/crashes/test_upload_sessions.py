"""Every call killed just before and just after every write and every call of storage; then the client asks again.

The second call must find what is there and finish, and in the end no upload, object or row may be left over. The table
of effects is checked against a clean run, so no effect escapes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.support.crash import deaths, lost_answers
from tests.support.upload_sessions import File, digest, parts_list, pdf, png
from tests.support.worlds.upload_sessions import (
    SWEEP,
    Call,
    UploadSessionsWorld,
    abort,
    complete,
    complete_files,
    create,
    delete,
    finalize,
    is_whole,
    list_parts,
    read,
    register,
    register_batch,
)

FILE = pdf(2000)
DIGESTED = replace(FILE, filename="with digest.pdf", sha256=digest(FILE.content))


@dataclass(frozen=True)
class Step:
    """A call in its situation: how it came there, what it does to the world, what it may answer the second time."""

    call: Callable[[UploadSessionsWorld], tuple[str, Call]]
    effects: list[str]
    again: set[int]
    done: Callable[[UploadSessionsWorld, str], bool]


def registering(world: UploadSessionsWorld) -> tuple[str, Call]:
    session_id = world.create(FILE)
    return session_id, register(session_id, FILE)


def registering_several(world: UploadSessionsWorld) -> tuple[str, Call]:
    session_id = world.create(FILE, png(), parts_list())
    return session_id, register_batch(session_id, FILE, FILE)


def resuming(world: UploadSessionsWorld) -> tuple[str, Call]:
    session_id = world.create(FILE)
    return session_id, list_parts(session_id, world.send(session_id, FILE).id)


def completing(world: UploadSessionsWorld) -> tuple[str, Call]:
    session_id = world.create(FILE)
    sent = world.send(session_id, FILE)
    return session_id, complete(session_id, sent.id, sent.etags)


def completing_several(world: UploadSessionsWorld) -> tuple[str, Call]:
    """One that is there, one that is not: what two at once do has no one order."""
    session_id = world.create(FILE)
    sent = world.send(session_id, FILE)
    return session_id, complete_files(session_id, {sent.id: sent.etags, "unknown": sent.etags})


def finalizing(world: UploadSessionsWorld) -> tuple[str, Call]:
    session_id = world.create(FILE, DIGESTED)
    for file in (FILE, DIGESTED):
        world.complete(session_id, file)
    return session_id, finalize(session_id)


def finalizing_the_last(world: UploadSessionsWorld) -> tuple[str, Call]:
    """One file is completed before; the other is completed by the call that finalizes."""
    session_id = world.create(FILE, DIGESTED)
    world.complete(session_id, DIGESTED)
    sent = world.send(session_id, FILE)
    return session_id, finalize(session_id, files={sent.id: sent.etags})


def rejecting(world: UploadSessionsWorld) -> tuple[str, Call]:
    lie = File(b"no PDF at all")
    session_id = world.create(lie)
    world.complete(session_id, lie)
    return session_id, finalize(session_id)


def half_sent(world: UploadSessionsWorld) -> str:
    session_id = world.create(FILE, DIGESTED)
    world.complete(session_id, FILE)
    world.send(session_id, DIGESTED)
    return session_id


def aborting(world: UploadSessionsWorld) -> tuple[str, Call]:
    session_id = half_sent(world)
    return session_id, abort(session_id)


def deleting(world: UploadSessionsWorld) -> tuple[str, Call]:
    """A completed session, one of whose two files another session relies on."""
    shared = pdf(2000)
    shared = replace(shared, sha256=digest(shared.content))
    session_id = world.create(shared, FILE)
    for file in (shared, FILE):
        world.complete(session_id, file)
    assert world.run(finalize(session_id)).status == 200
    world.create(shared)
    return session_id, delete(session_id)


def sweeping(world: UploadSessionsWorld) -> tuple[str, Call]:
    session_id = half_sent(world)
    world.overdue(session_id)
    return session_id, SWEEP


def is_registered_once(world: UploadSessionsWorld, session_id: str) -> bool:
    return [row["status"] for row in world.files(session_id)] == ["registered"]


def is_sent(world: UploadSessionsWorld, session_id: str) -> bool:
    return is_whole(world, session_id, FILE)


def is_completed(world: UploadSessionsWorld, session_id: str) -> bool:
    return world.session(session_id)["status"] == "completed" and len(world.files(session_id)) == 2


def is_active_without_the_liar(world: UploadSessionsWorld, session_id: str) -> bool:
    session = world.session(session_id)
    return (session["status"], session["lock_token"], world.files(session_id)) == ("active", None, [])


def is_deleted(world: UploadSessionsWorld, session_id: str) -> bool:
    """Nothing of it is found, and what another session relies on has become that one's."""
    [heir] = world.rows.execute(
        """SELECT declaration.sha256, file.key FROM upload_sessions AS session
             JOIN upload_session_declarations AS declaration ON declaration.session_id = session.id
             JOIN upload_session_files AS file USING (session_id, position) WHERE file.key LIKE %s""",
        (f"files/{session_id}/%",),
    ).fetchall()
    return (
        world.run(read(session_id)).status == 404
        and world.run(delete(session_id)).status == 404
        and digest(world.content(heir["key"])) == heir["sha256"]
    )


def is_gone(status: str) -> Callable[[UploadSessionsWorld, str], bool]:
    def check(world: UploadSessionsWorld, session_id: str) -> bool:
        return world.session(session_id)["status"] == status and not world.files(session_id)

    return check


SESSION = "UPDATE upload_sessions"
PURGE = [
    *("ListMultipartUploads", "AbortMultipartUpload", "ListMultipartUploads"),
    *("ListObjectsV2", "DeleteObjects", SESSION),
]
# No multipart upload of a completed session is open.
DELETED = ["ListMultipartUploads", "ListObjectsV2", "DeleteObjects", SESSION]
SWEPT = [
    *("DELETE FROM uploads", "DELETE FROM speaking_sessions", SESSION, "DELETE FROM speaking_sessions"),
    *("DELETE FROM users", SESSION, *PURGE, SESSION, "DELETE FROM upload_sessions"),
    *(
        "UPDATE object_deletions",
        "DELETE FROM rate_limits",
        "DELETE FROM idempotency_keys",
        "DELETE FROM outbox_events",
        "DELETE FROM notifications",
        "DELETE FROM live_tickets",
        "DELETE FROM live_connections",
    ),
]
STEPS = {
    "register": Step(registering, ["CreateMultipartUpload", SESSION], {200, 201}, is_registered_once),
    "register batch": Step(registering_several, ["CreateMultipartUpload", SESSION], {200}, is_registered_once),
    "list parts": Step(resuming, ["ListParts", SESSION], {200}, is_registered_once),
    # 400 with the file's URL: the first call was recorded, its answer lost.
    "complete": Step(completing, ["CompleteMultipartUpload", SESSION], {200, 400}, is_sent),
    "complete files": Step(completing_several, ["CompleteMultipartUpload", "GetObject", SESSION], {200}, is_sent),
    "finalize": Step(finalizing, [SESSION, "GetObject", "GetObject", SESSION], {200}, is_completed),
    "finalize the last": Step(
        finalizing_the_last,
        ["CompleteMultipartUpload", "GetObject", SESSION, SESSION, "GetObject", SESSION],
        {200},
        is_completed,
    ),
    # 400: the first call has dropped the liar, so a file is missing now.
    "reject": Step(rejecting, [SESSION, "GetObject", SESSION], {422, 400}, is_active_without_the_liar),
    "abort": Step(aborting, [SESSION, *PURGE], {204}, is_gone("aborted")),
    # 404: the first call has deleted it.
    "delete": Step(deleting, [SESSION, *DELETED], {204, 404}, is_deleted),
    "sweep": Step(sweeping, SWEPT, set(), is_gone("expired")),
}


@pytest.fixture
def world(upload_sessions_world: UploadSessionsWorld) -> UploadSessionsWorld:
    """Name this file's world."""
    return upload_sessions_world


@pytest.mark.parametrize("name", STEPS)
def test_a_crash_anywhere_loses_nothing(world: UploadSessionsWorld, name: str) -> None:
    step = STEPS[name]
    session_id, call = step.call(world)
    assert world.run(call).effects == step.effects
    assert step.done(world, session_id)
    # The sweeper's effects on other families' tables have their own tests.
    traps = deaths(step.effects)
    for trap in traps[4:6] + traps[10:22] if name == "sweep" else traps:
        session_id, call = step.call(world)
        assert world.run(call, trap).error is not None
        ask_again(world, step, session_id, call)
    world.assert_nothing_is_left_over()


@pytest.mark.parametrize(
    "name",
    [
        *("register", "register batch", "list parts", "complete", "complete files"),
        *("finalize", "finalize the last", "reject"),
    ],
)
def test_a_lost_answer_anywhere_loses_nothing(world: UploadSessionsWorld, name: str) -> None:
    """Postgres or the bucket has done it, and the connection breaks before it says so."""
    step = STEPS[name]
    for trap in lost_answers(step.effects):
        session_id, call = step.call(world)
        world.run(call, trap)
        ask_again(world, step, session_id, call)
    world.assert_nothing_is_left_over()


def ask_again(world: UploadSessionsWorld, step: Step, session_id: str, call: Call) -> None:
    """After a while the client, or the schedule, calls again; then it must be done."""
    world.lapse(session_id)
    world.rows.execute("UPDATE upload_sessions SET purge_after = now() WHERE purge_after > now()")
    run = world.run(call)
    assert run.error is None
    assert not step.again or run.status in step.again, run.payload
    assert step.done(world, session_id)


def test_a_creation_that_registers_leaves_nothing_behind(world: UploadSessionsWorld) -> None:
    """Killed anywhere: its client begins another session, and this one ends with all that it has opened."""
    call = create(FILE, register_first=8)
    effects = world.run(call).effects
    assert effects[-2:] == ["CreateMultipartUpload", SESSION]
    for trap in deaths(effects):
        assert world.run(call, trap).error is not None
    assert world.run(call).body["files"][0]["status"] == 201
    world.assert_nothing_is_left_over()
