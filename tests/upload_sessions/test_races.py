"""Calls that meet: many at one barrier, and two at every point where one can stand while the other passes.

Real Postgres, real S3 server, one process a call.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.support.crash import Run
from tests.support.upload_sessions import File, pdf
from tests.support.worlds.upload_sessions import (
    SWEEP,
    Call,
    UploadSessionsWorld,
    abort,
    complete,
    complete_files,
    create,
    finalize,
    is_whole,
    list_parts,
    register,
    two_parts,
)

FILE = pdf(3000)


def at_once(world: UploadSessionsWorld, calls: Sequence[Call]) -> list[Run]:
    """All calls, each from a thread of its own, started together."""
    barrier = threading.Barrier(len(calls))

    def one(call: Call) -> Run:
        barrier.wait()
        return world.run(call)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def statuses(runs: Sequence[Run]) -> Counter[int]:
    return Counter(run.status for run in runs)


# Many of one kind


def test_twenty_register_one_file(world: UploadSessionsWorld) -> None:
    """One row, one multipart upload, one answer."""
    session_id = world.create(FILE)
    runs = at_once(world, [register(session_id, FILE)] * 20)
    assert statuses(runs) == {201: 1, 200: 19}
    assert len({(run.body["fileId"], run.body["uploadId"]) for run in runs}) == 1
    [row] = world.files(session_id)
    assert world.uploads() == {(row["key"], row["multipart_upload_id"])}


def test_twenty_register_files_declared_alike(world: UploadSessionsWorld) -> None:
    """As many registrations as declarations, whatever the order."""
    session_id = world.create(*[FILE] * 5)
    runs = at_once(world, [register(session_id, FILE)] * 20)
    assert statuses(runs).keys() == {200, 201}
    files = world.files(session_id)
    assert len(files) == statuses(runs)[201] <= 5
    assert world.uploads() == {(row["key"], row["multipart_upload_id"]) for row in files}
    assert {world.run(register(session_id, FILE)).status for _ in range(5)} <= {200, 201}
    assert len(world.files(session_id)) == 5


def test_twenty_complete_one_file(world: UploadSessionsWorld) -> None:
    """One winner; the others are told where the file is; it is whole."""
    file = two_parts()
    session_id = world.create(file)
    sent = world.send(session_id, file)
    runs = at_once(world, [complete(session_id, sent.id, sent.etags)] * 20)
    assert statuses(runs) == {200: 1, 400: 19}
    assert all("fileUrl" in run.body["details"] for run in runs if run.status == 400)
    assert is_whole(world, session_id, file)
    completed = "SELECT count(*) FROM outbox_events WHERE name = 'upload_session_file_completed'"
    assert world.rows.execute(completed).fetchone() == {"count": 1}


def test_batches_and_single_calls_complete_the_same_files(world: UploadSessionsWorld) -> None:
    """Each file has one winner, in a batch or alone; the others are told where it is; each is told of once."""
    files = [pdf(3000, filename=f"{number}.pdf") for number in range(3)]
    session_id = world.create(*files)
    sent = {one.id: one.etags for one in (world.send(session_id, file) for file in files)}
    batch = complete_files(session_id, sent)
    runs = at_once(world, [batch] * 5 + [complete(session_id, *one) for one in sent.items()] * 3)
    answers: dict[str, list[int]] = {file_id: [] for file_id in sent}
    for run in runs[:5]:
        for file_id, result in zip(sent, run.body["results"], strict=True):
            answers[file_id].append(result["status"])
            assert result["status"] == 200 or "fileUrl" in result["error"]["details"]
    for file_id, run in zip([*sent] * 3, runs[5:], strict=True):
        answers[file_id].append(run.status or 0)
        assert run.status == 200 or "fileUrl" in run.body["details"]
    assert all(Counter(one) == {200: 1, 400: 7} for one in answers.values())
    completed = "SELECT count(*) FROM outbox_events WHERE name = 'upload_session_file_completed'"
    assert world.rows.execute(completed).fetchone() == {"count": 3}
    assert world.run(finalize(session_id)).status == 200


def test_twenty_finalize_one_session(world: UploadSessionsWorld) -> None:
    """One does the work; the others are told to ask again, or, if they come after it, get its answer."""
    session_id = world.create(FILE)
    world.complete(session_id, FILE)
    runs = at_once(world, [finalize(session_id)] * 20)
    assert statuses(runs).keys() <= {200, 409}
    did_the_work = [
        run for run in runs if run.effects[-1:] == ["UPDATE upload_sessions"] and "GetObject" in run.effects
    ]
    assert len(did_the_work) == 1
    assert did_the_work[0].status == 200
    completed = "SELECT count(*) FROM outbox_events WHERE name = 'upload_session_completed'"
    assert world.rows.execute(completed).fetchone() == {"count": 1}
    assert world.run(finalize(session_id)).status == 200


def test_ten_finalize_with_the_last_files(world: UploadSessionsWorld) -> None:
    """Each file is completed once, and so is the session; nobody is told that something is missing."""
    files = [pdf(3000, filename=f"{number}.pdf") for number in range(3)]
    session_id = world.create(*files)
    sent = {one.id: one.etags for one in (world.send(session_id, file) for file in files)}
    runs = at_once(world, [finalize(session_id, files=sent)] * 10)
    assert statuses(runs).keys() <= {200, 409}
    assert world.run(finalize(session_id, files=sent)).status == 200
    counted = "SELECT name, count(*) FROM outbox_events WHERE name LIKE 'upload_session_%%completed' GROUP BY name"
    assert {row["name"]: row["count"] for row in world.rows.execute(counted)} == {
        "upload_session_file_completed": 3,
        "upload_session_completed": 1,
    }


def test_fifty_creates_against_the_daily_limit(world: UploadSessionsWorld) -> None:
    """Exactly the limit gets through; the others are told when, and nothing is written for them."""
    runs = at_once(world, [create(FILE)] * 50)
    assert statuses(runs) == {201: 30, 429: 20}
    refused = next(run for run in runs if run.status == 429)
    assert refused.body["code"] == "TOO_MANY_REQUESTS"
    assert refused.body["nextAllowedAt"].endswith("T00:00:00.000Z")
    assert 0 < int(refused.payload["headers"]["retry-after"]) <= 86400
    assert world.rows.execute("SELECT count(*) FROM upload_sessions").fetchone() == {"count": 30}
    assert world.run(create(FILE, user="bob")).status == 201, "another user's day is not over"


# Two, at every point


def sent_session(world: UploadSessionsWorld, file: File = FILE) -> tuple[str, Call]:
    session_id = world.create(file)
    sent = world.send(session_id, file)
    return session_id, complete(session_id, sent.id, sent.etags)


def expire_and_sweep(world: UploadSessionsWorld, session_id: str) -> Run:
    world.overdue(session_id)
    return world.run(SWEEP)


@pytest.mark.parametrize("point", range(6))
def test_finalize_against_abort(world: UploadSessionsWorld, point: int) -> None:
    """Abort wins before the lease, finalize after it; never both."""
    session_id = world.create(FILE)
    world.complete(session_id, FILE)
    with world.held(finalize(session_id), point) as held:
        aborted = world.run(abort(session_id))
        finalized = held.release()
    leased = point > 0
    committed = point == 5
    assert (aborted.status, finalized.status) == ((409, 200) if leased else (204, 400))
    assert aborted.body["code"] == ("ALREADY_COMPLETED" if committed else "FINALIZE_IN_PROGRESS") if leased else True
    assert world.session(session_id)["status"] == ("completed" if leased else "aborted")
    assert bool(world.objects()) == leased
    world.assert_nothing_is_left_over()


@pytest.mark.parametrize("point", [1, 2, 3, 4])
@pytest.mark.parametrize("other", ["abort", "sweep", "finalize"])
def test_a_finalizer_that_slept_past_its_lease_commits_nothing(
    world: UploadSessionsWorld, point: int, other: str
) -> None:
    session_id = world.create(FILE)
    world.complete(session_id, FILE)
    with world.held(finalize(session_id), point) as held:
        world.lapse(session_id)
        if other == "sweep":
            expire_and_sweep(world, session_id)
        else:
            world.run(abort(session_id) if other == "abort" else finalize(session_id))
        late = held.release()
    # Where the other has removed the object, it looks like a liar; the session's state decides what is true.
    assert late.status in (409, 422)
    ended = {"abort": "aborted", "sweep": "expired", "finalize": "completed"}[other]
    assert world.session(session_id)["status"] == ended
    assert bool(world.files(session_id)) == (other == "finalize")
    world.assert_nothing_is_left_over()


@pytest.mark.parametrize("point", [1, 2, 3, 4])
def test_of_two_finalizers_only_the_second_lease_counts(world: UploadSessionsWorld, point: int) -> None:
    """The first slept past its lease and wakes up while the second works: it neither commits nor frees the lease."""
    liar = File(b"no PDF")
    for file, ending in ((FILE, 200), (liar, 422)):
        session_id = world.create(file)
        world.complete(session_id, file)
        with world.held(finalize(session_id), point) as first:
            world.lapse(session_id)
            with world.held(finalize(session_id), 1) as second:
                lease = world.session(session_id)["lock_token"]
                assert first.release().status == (409 if file is FILE else 422)
                assert world.session(session_id)["lock_token"] == lease
                assert len(world.files(session_id)) == 1
                assert second.release().status == ending
    world.assert_nothing_is_left_over()


def test_a_lease_that_saw_what_is_gone_commits_nothing(world: UploadSessionsWorld, database_url: str) -> None:
    """The lease's statement waits for one that drops a file, and still sees it; the commit looks again."""
    session_id = world.create(FILE)
    file_id = world.complete(session_id, FILE).id
    with psycopg.connect(database_url) as rival, ThreadPoolExecutor(1) as pool:
        rival.execute("SELECT FROM upload_sessions WHERE id = %s FOR UPDATE", (session_id,))
        rival.execute("DELETE FROM upload_session_files WHERE id = %s", (file_id,))
        finalized = pool.submit(world.run, finalize(session_id))
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while world.rows.execute(waiting).fetchone() != {"count": 1}:
            assert not finalized.done()
        rival.commit()
        assert finalized.result().status == 409
    assert world.session(session_id)["status"] == "active"
    assert world.run(finalize(session_id)).status == 400


@pytest.mark.parametrize("point", range(4))
@pytest.mark.parametrize("other", ["abort", "sweep"])
def test_complete_against_the_end_of_the_session(world: UploadSessionsWorld, point: int, other: str) -> None:
    """The file is completed if its row was first; otherwise its object goes with the session."""
    session_id, call = sent_session(world)
    with world.held(call, point) as held:
        if other == "sweep":
            expire_and_sweep(world, session_id)
        else:
            assert world.run(abort(session_id)).status == 204
        completed = held.release()
    recorded = point == 3
    assert completed.status == (200 if recorded else 400), completed.payload
    assert recorded or completed.body["details"]["status"] in ("aborted", "expired")
    assert world.files(session_id) == []
    world.assert_nothing_is_left_over()


@pytest.mark.parametrize("point", range(6))
@pytest.mark.parametrize("other", ["abort", "finalize"])
def test_a_batch_against_the_end_of_the_session(world: UploadSessionsWorld, point: int, other: str) -> None:
    """A file whose row came too late goes with the session; one that is missing lets nobody finalize."""
    session_id = world.create(FILE)
    sent = world.send(session_id, FILE)
    recorded = point == 5
    with world.held(complete_files(session_id, {sent.id: sent.etags}), point) as held:
        if other == "abort":
            assert world.run(abort(session_id)).status == 204
        else:
            assert world.run(finalize(session_id)).status == (200 if recorded else 400)
        [result] = held.release().body["results"]
    assert result["status"] == (200 if recorded or other == "finalize" else 400), result
    if other == "abort":
        assert recorded or result["error"]["details"] == {"status": "aborted"}
        assert world.files(session_id) == []
    else:
        assert world.run(finalize(session_id)).status == 200
    world.assert_nothing_is_left_over()


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        # Before and after it is assembled, after it is entered, under the lease, after the end.
        ("abort", [204, 204, 204, 409, 409]),
        ("complete", [200, 200, 400, 400, 400]),
        ("finalize", [400, 400, 200, 409, 200]),
        ("the same", [200, 200, 200, 409, 200]),
    ],
)
def test_finalizing_the_last_file_against_others(world: UploadSessionsWorld, other: str, expected: list[int]) -> None:
    """Whoever passes it anywhere, the session is completed, or aborted by one who was told so."""
    answers = []
    for point in (0, 1, 5, 7, 9):
        session_id = world.create(FILE)
        sent = world.send(session_id, FILE)
        last = finalize(session_id, files={sent.id: sent.etags})
        others = {
            "abort": abort(session_id),
            "complete": complete(session_id, sent.id, sent.etags),
            "finalize": finalize(session_id),
            "the same": last,
        }
        with world.held(last, point) as held:
            answers.append(world.run(others[other]).status)
            finalized = held.release()
        if answers[-1] == 204:
            assert (finalized.status, finalized.body["details"]) == (400, {"status": "aborted"})
        else:
            assert finalized.status == 200, (point, finalized.payload)
            assert is_whole(world, session_id, FILE)
            assert world.run(last).status == 200
    assert answers == expected
    completed = "SELECT count(*) FROM outbox_events WHERE name = 'upload_session_completed'"
    assert world.rows.execute(completed).fetchone() == {"count": 5 - answers.count(204)}
    world.assert_nothing_is_left_over()


@pytest.mark.parametrize("point", range(4))
@pytest.mark.parametrize("other", ["abort", "sweep"])
def test_register_against_the_end_of_the_session(world: UploadSessionsWorld, point: int, other: str) -> None:
    session_id = world.create(FILE)
    with world.held(register(session_id, FILE), point) as held:
        if other == "sweep":
            expire_and_sweep(world, session_id)
        else:
            assert world.run(abort(session_id)).status == 204
        registered = held.release()
    assert registered.status == (201 if point == 3 else 400)
    assert world.files(session_id) == []
    assert world.uploads() == set(), "dropped at once, not only by the second look"
    world.assert_nothing_is_left_over()


@pytest.mark.parametrize("point", range(4))
def test_a_call_in_time_is_honoured(world: UploadSessionsWorld, point: int) -> None:
    """The deadline passes while a call is under way: it was in time, so it prolongs the session."""
    session_id, call = sent_session(world)
    with world.held(call, point) as held:
        world.overdue(session_id)
        assert held.release().status == 200
    assert world.run(SWEEP).error is None
    assert world.session(session_id)["status"] == ("expired" if point == 3 else "active")


def test_the_sweeper_looks_again_before_it_ends_a_session(world: UploadSessionsWorld, database_url: str) -> None:
    """It finds the session overdue while a call that was in time is about to prolong it."""
    session_id = world.create(FILE)
    world.overdue(session_id)
    with psycopg.connect(database_url) as prolonging:
        later = "UPDATE upload_sessions SET expires_at = now() + interval '15 minutes' WHERE id = %s"
        prolonging.execute(later, (session_id,))
        assert world.run(SWEEP).payload["expired"] == 0
    assert world.run(SWEEP).payload["expired"] == 0
    assert world.session(session_id)["status"] == "active"


@pytest.mark.parametrize("point", range(4))
def test_resume_against_complete(world: UploadSessionsWorld, point: int) -> None:
    session_id, call = sent_session(world)
    file_id = str(world.files(session_id)[0]["id"])
    with world.held(list_parts(session_id, file_id), point) as held:
        assert world.run(call).status == 200
        listed = held.release()
    # Before ListParts the upload is gone, and the object found; after it, the row no longer waits for parts.
    assert listed.status == (400 if point < 3 else 200), listed.payload
    assert point == 3 or "fileUrl" in listed.body["details"]
    assert is_whole(world, session_id, FILE)


@pytest.mark.parametrize("call", [register, "complete"])
def test_two_that_do_the_same_pass_each_other_anywhere(
    world: UploadSessionsWorld, call: Callable[[str, File], Call] | str
) -> None:
    for point in range(4):
        if call == "complete":
            session_id, one = sent_session(world)
        else:
            session_id = world.create(FILE)
            one = register(session_id, FILE)
        with world.held(one, point) as held:
            first = world.run(one)
            second = held.release()
        winners = [run for run in (first, second) if run.status == (200 if call == "complete" else 201)]
        assert len(winners) == 1
        assert len(world.files(session_id)) == 1
        assert len(world.uploads()) == (0 if call == "complete" else point + 1)
    world.assert_nothing_is_left_over()
