"""DELETE /api/me against everything: at once out of sight, then gone; nothing of others, nothing sent afterwards."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.crash import Held, deaths
from tests.support.invocations import api_event
from tests.support.upload_sessions import SESSIONS, pdf
from tests.support.worlds import upload_sessions
from tests.support.worlds.speaking_sessions import SUB
from tests.users.conftest import BYSTANDER, UsersWorld, announcement, claims

FILE = pdf(900)
FORGET = ["UPDATE users"]


def lists(world: UsersWorld, user: str = SUB) -> list[int]:
    """How many upload sessions and recordings the user's lists have."""
    return [
        world.functions.invoke(name, api_event("GET", path, claims=claims(user))).body["total"]
        for name, path in (
            ("UploadSessionsListFunction", SESSIONS),
            ("SpeakingSessionsListFunction", "/api/sessions"),
        )
    ]


def of(world: UsersWorld, user: str) -> list[Any]:
    """What the export tells of a user, without what every export signs anew."""
    told = world.export(user)
    for session in told["uploadSessions"]:
        for file in session["files"]:
            file["fileUrl"] = file["fileUrl"] and file["fileUrl"].partition("?")[0]
    for recording in told["recordings"]:
        recording["audioUrl"] = recording["audioUrl"] and recording["audioUrl"].partition("?")[0]
    return [told["profile"], told["uploadSessions"], told["recordings"]]


def test_everything_is_out_of_sight_at_once_and_then_gone(world: UsersWorld) -> None:
    for user in (SUB, BYSTANDER):
        world.has_everything(user)
    others = of(world, BYSTANDER)
    [known] = world.rows.execute(
        "SELECT id::text FROM upload_sessions WHERE user_id = %s AND status = 'completed'", (SUB,)
    ).fetchall()
    answer = world.forget()
    assert (answer.status, answer.body) == (202, {"uploadSessions": 7, "recordings": 4})

    assert lists(world) == [0, 0]
    assert world.run(upload_sessions.read(known["id"])).status == 404
    profile, sessions, recordings = of(world, SUB)
    assert (profile, sessions, recordings) == ({"sub": SUB, "email": None, "displayName": None}, [], [])
    assert world.mentions(SUB) == ["insights", "transcripts", "upload_session_declarations"], "until the next sweep"
    assert world.forget().body == {"uploadSessions": 0, "recordings": 0}, "again: nothing is left"

    begun = world.create(FILE)
    world.complete(begun, FILE)
    assert world.run(upload_sessions.finalize(begun)).status == 200
    world.records(SUB, "A new beginning")
    swept = world.sweep().payload
    assert (swept["due_sessions"], swept["due_recordings"]) == (7, 4)
    assert lists(world) == [1, 1]
    assert of(world, BYSTANDER) == others
    world.pass_time(3600)
    world.sweep()
    objects = world.objects()
    mine = {key for key in objects if begun in key}
    assert len(mine) == 1
    assert world.accounted_for()[0] == objects.keys()
    forgotten = world.rows.execute("SELECT FROM users WHERE external_id IS NULL")
    left = world.rows.execute("SELECT FROM upload_sessions WHERE user_id = ''")
    assert (forgotten.rowcount, left.rowcount) == (0, 0)


def test_a_crash_anywhere_leaves_all_or_nothing(world: UsersWorld) -> None:
    for trap in deaths(FORGET):
        world.records(SUB, f"Talk {trap.point}")
        session_id = world.create(FILE)
        world.complete(session_id, FILE)
        assert world.forget(trap=trap).error is not None
        assert lists(world) in ([1, 1], [0, 0])
        assert world.forget().status == 202
        assert lists(world) == [0, 0]
    world.assert_nothing_is_left_over()
    assert world.objects() == {}
    assert world.rows.execute("SELECT FROM users").rowcount == 0


def creating(world: UsersWorld) -> upload_sessions.Call:
    return upload_sessions.create(FILE)


def registering(world: UsersWorld) -> upload_sessions.Call:
    return upload_sessions.register(world.create(FILE), FILE)


def completing(world: UsersWorld) -> upload_sessions.Call:
    session_id = world.create(FILE)
    sent = world.send(session_id, FILE)
    return upload_sessions.complete(session_id, sent.id, sent.etags)


def finalizing(world: UsersWorld) -> upload_sessions.Call:
    session_id = world.create(FILE)
    world.complete(session_id, FILE)
    return upload_sessions.finalize(session_id)


def recording(world: UsersWorld) -> upload_sessions.Call:
    event = api_event("POST", "/api/sessions", claims=claims(SUB), json_body=announcement("Racing"))
    return upload_sessions.Call("SpeakingSessionsCreateFunction", event)


@pytest.mark.parametrize("call", [creating, registering, completing, finalizing, recording])
def test_whatever_runs_meanwhile_leaves_nothing_unowned(
    world: UsersWorld, call: Callable[[UsersWorld], upload_sessions.Call]
) -> None:
    """Deleted at every point of another call, with a sweep behind: what that call leaves is the user's, or is gone."""
    effects = world.run(call(world)).effects
    for point in range(2 * len(effects)):
        with world.held(call(world), point) as held:
            assert world.forget().status == 202
            world.sweep()
            late = held.release()
        assert late.error is None
        assert late.status < 500 or call is recording, late.payload
        assert (
            world.rows.execute("SELECT FROM upload_sessions WHERE user_id = '' AND status <> 'deleted'").rowcount == 0
        )
    world.forget()
    world.assert_nothing_is_left_over()
    assert world.objects() == {}
    assert world.rows.execute("SELECT FROM speaking_sessions").rowcount == 0
    assert world.rows.execute("SELECT FROM upload_sessions").rowcount == 0
    assert world.rows.execute("SELECT FROM users").rowcount == 0


def test_two_at_once_are_one(world: UsersWorld) -> None:
    for point in range(2 * len(FORGET)):
        world.create(FILE)
        with world.forgetting(point) as held:
            first: Held = held
            other = world.forget() if point == 0 else None
            mine = first.release()
        counted = [run.body["uploadSessions"] for run in (other, mine) if run]
        assert sorted(counted) == ([0, 1] if other else [1])


MANY = """
WITH declared AS (
    INSERT INTO upload_sessions (id, user_id, status, part_size_bytes, created_at, ended_at, expires_at)
    SELECT gen_random_uuid(), %(sub)s, 'completed', 5242880, now() - make_interval(mins => n), now() - interval '1 day',
           now() - interval '1 day'
      FROM generate_series(1, %(sessions)s) AS n
    RETURNING id, user_id
), declarations AS (
    INSERT INTO upload_session_declarations (session_id, position, user_id, category, filename, mime_type, size, sha256)
    SELECT id, 0, user_id, 'instruction', %(filename)s, 'application/pdf', 1000, id::text FROM declared
)
INSERT INTO upload_session_files
       (id, session_id, position, key, multipart_upload_id, status, etag, completed_at, verified_at)
SELECT gen_random_uuid(), id, 0, 'files/' || id || '/file', 'upload', 'completed', 'etag', now(), now() FROM declared
"""


def test_ten_thousand_sessions_are_exported_in_answers_that_fit_and_deleted(world: UsersWorld) -> None:
    many = {"sub": SUB, "sessions": 2000, "filename": "Grüße " * 40}
    world.rows.execute(MANY, many)
    seen: list[str] = []
    sizes: list[int] = []
    after = None
    while not sizes or after:
        told = world.export(after=after)
        after = told["next"]
        seen += [session["sessionId"] for session in told["uploadSessions"]]
        sizes.append(len(json.dumps(json.dumps(told))))  # the body is a text in the function's answer
    assert len(seen) == len(set(seen)) == 2000
    assert len(sizes) > 1
    assert max(sizes) < 6 * 1024 * 1024, "what Lambda takes"

    world.rows.execute(MANY, many | {"sessions": 8000})
    assert world.forget().body == {"uploadSessions": 10_000, "recordings": 0}
    assert lists(world) == [0, 0]
    for _ in range(3):  # a busy machine gets further with each run
        world.sweep()
    assert world.rows.execute("SELECT FROM upload_sessions").rowcount == 0, "no clean-up holds up what ended long ago"
    assert world.rows.execute("SELECT FROM upload_session_files").rowcount == 0
    assert world.rows.execute("SELECT FROM object_deletions").rowcount == 0
