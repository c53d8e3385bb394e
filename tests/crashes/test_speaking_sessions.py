"""What speaking sessions survive: death at every step, lost answers, racing callers, no bucket, late PUTs, numbers.

Whatever happens, no session claims audio it has not, and in the end no object is left without its row.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from inlet.speaking_sessions import speaking_sessions_table
from local.stack import LocalStack
from local_aws import s3_server
from local_aws.s3_server import S3Server
from tests.conftest import ANY_ORIGIN, storage_settings
from tests.support.crash import Functions, Run, Trap
from tests.support.invocations import api_event
from tests.support.recordings import tone

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SUB = "speaker"
RECORDING, NO_RECORDING = tone(), b"no recording"
BOUNDARY = "boundary"
FORM = b"".join(
    [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="duration"\r\n\r\n1\r\n'.encode(),
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n'.encode(),
        b"Content-Type: audio/wav\r\n\r\n" + RECORDING + b"\r\n",
        f"--{BOUNDARY}--\r\n".encode(),
    ]
)

# What each function does to the world, in order; a clean run is held against it, so that no effect escapes.
CREATE_BY_FORM = ["INSERT INTO users", "INSERT INTO speaking_sessions", "PutObject", "UPDATE speaking_sessions"]
CREATE_DIRECT = ["INSERT INTO users", "INSERT INTO speaking_sessions"]
COMPLETE = ["GetObject", "UPDATE speaking_sessions"]
REFUSE = ["GetObject", "DELETE FROM speaking_sessions", "DeleteObject", "UPDATE object_deletions"]
DELETE = ["DELETE FROM speaking_sessions", "DeleteObject", "UPDATE object_deletions"]

type Rows = psycopg.Connection[dict[str, Any]]


def traps(effects: list[str]) -> list[Trap]:
    """Death before and after every effect, and the loss of every answer."""
    deaths = [Trap(point, "die") for point in range(2 * len(effects))]
    return deaths + [Trap(point, "lose") for point in range(1, 2 * len(effects), 2)]


@dataclass(frozen=True)
class Speaker:
    """A signed-in user whose requests may be killed, held or cut off on their way through a function."""

    functions: Functions
    rows: Rows
    storage: "S3Client"
    bucket: str

    def record(self, trap: Trap | None = None) -> Run:
        """Send a form."""
        headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
        return self._call("SpeakingSessionsCreateFunction", "POST", "", trap, body=FORM, headers=headers)

    def announce(self, content: bytes = RECORDING, trap: Trap | None = None) -> Run:
        """Announce a recording."""
        announcement = {"contentType": "audio/wav", "size": len(content), "duration": 1}
        return self._call("SpeakingSessionsCreateFunction", "POST", "", trap, json_body=announcement)

    def put(self, content: bytes = RECORDING) -> str:
        """Announce a recording and PUT it; the session's id."""
        announcement = self.announce(content).body
        put_to(announcement, content)
        session_id: str = announcement["id"]
        return session_id

    def complete(self, session_id: str, trap: Trap | None = None) -> Run:
        return self._call("SpeakingSessionsCompleteFunction", "POST", f"/{session_id}/complete", trap)

    def delete(self, session_id: str, trap: Trap | None = None) -> Run:
        return self._call("SpeakingSessionsDeleteFunction", "DELETE", f"/{session_id}", trap)

    def read(self, session_id: str) -> Run:
        return self._call("SpeakingSessionsReadFunction", "GET", f"/{session_id}", None)

    def sweep(self) -> dict[str, int]:
        run = self.functions.invoke("OperationsSweepFunction", {})
        assert run.error is None, run.error
        counts: dict[str, int] = run.payload
        return counts

    def ids(self) -> list[str]:
        return [row["id"] for row in self.rows.execute("SELECT id::text FROM speaking_sessions ORDER BY created_at")]

    def objects(self) -> list[str]:
        """The ids of the sessions whose objects there are."""
        listing = self.storage.list_objects_v2(Bucket=self.bucket, Prefix="sessions/")
        return sorted(known["Key"].split("/")[2] for known in listing.get("Contents", []))

    def assert_no_claim_is_false(self) -> None:
        """Of every session that says so the whole recording is there."""
        for row in self.rows.execute("SELECT audio_key, size FROM speaking_sessions WHERE status <> 'CREATED'"):
            stored = self.storage.head_object(Bucket=self.bucket, Key=row["audio_key"])
            assert stored["ContentLength"] == row["size"]

    def assert_nothing_is_left_over(self) -> None:
        """A day later, all that was not completed is gone, and there are as many objects as sessions."""
        self.assert_no_claim_is_false()
        self.rows.execute("UPDATE speaking_sessions SET created_at = created_at - interval '25 hours'")
        self.rows.execute("UPDATE object_deletions SET not_before = now(), writable_until = NULL")
        self.sweep()
        assert self.rows.execute("SELECT FROM speaking_sessions WHERE status = 'CREATED'").rowcount == 0
        assert self.objects() == sorted(self.ids())
        assert self.rows.execute("SELECT FROM object_deletions").rowcount == 0
        self.assert_no_claim_is_false()

    def _call(self, function: str, method: str, path: str, trap: Trap | None, **request: Any) -> Run:
        return self.functions.invoke(function, event(method, path, **request), trap)


def event(method: str, path: str, **request: Any) -> dict[str, Any]:
    return api_event(method, f"/api/sessions{path}", claims={"sub": SUB, "email": "ada@example.com"}, **request)


def put_to(announcement: dict[str, Any], content: bytes) -> None:
    httpx.put(announcement["uploadUrl"], content=content, headers=announcement["headers"]).raise_for_status()


@pytest.fixture
def rows(database_url: str) -> Iterator[Rows]:
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def speaker(
    crash_server: Path,
    database_url: str,
    rows: Rows,
    own_bucket: str,
    storage: "S3Client",
    tmp_path: Path,
) -> Speaker:
    functions = Functions(crash_server, {"DATABASE_URL": database_url, "BUCKET": own_bucket}, bill=tmp_path / "bill")
    return Speaker(functions, rows, storage, own_bucket)


# Death, and lost answers


def test_a_form_may_end_anywhere(speaker: Speaker) -> None:
    assert speaker.record().effects == CREATE_BY_FORM
    for trap in traps(CREATE_BY_FORM):
        run = speaker.record(trap)
        if run.error is None:
            # A lost answer of the database is asked for again; one of the bucket is a failure without a session.
            assert run.status == (500 if trap.point // 2 == CREATE_BY_FORM.index("PutObject") else 201)
        speaker.assert_no_claim_is_false()
    speaker.assert_nothing_is_left_over()
    assert len(speaker.ids()) == 1 + 1 + 3  # the clean run; the death after the last effect; three lost answers


def test_an_announcement_may_end_anywhere(speaker: Speaker) -> None:
    assert speaker.announce().effects == CREATE_DIRECT
    for trap in traps(CREATE_DIRECT):
        speaker.announce(trap=trap)
    speaker.assert_nothing_is_left_over()
    assert speaker.ids() == []


def test_completing_may_end_anywhere_and_be_repeated(speaker: Speaker) -> None:
    assert speaker.complete(speaker.put()).effects == COMPLETE
    for trap in traps(COMPLETE):
        session_id = speaker.put()
        speaker.complete(session_id, trap)
        speaker.assert_no_claim_is_false()
        assert speaker.complete(session_id).body["status"] == "UPLOADED"
    speaker.assert_nothing_is_left_over()
    assert len(speaker.ids()) == 1 + len(traps(COMPLETE))


def test_refusing_may_end_anywhere_and_be_repeated(speaker: Speaker) -> None:
    assert speaker.complete(speaker.put(NO_RECORDING)).effects == REFUSE
    for trap in traps(REFUSE):
        session_id = speaker.put(NO_RECORDING)
        speaker.complete(session_id, trap)
        again = speaker.complete(session_id)
        assert (again.status, again.body["code"]) in ((400, "INVALID_FILE"), (404, "SESSION_NOT_FOUND"))
    assert speaker.ids() == []
    speaker.assert_nothing_is_left_over()


def test_deleting_may_end_anywhere_and_be_repeated(speaker: Speaker) -> None:
    def recorded() -> str:
        session_id: str = speaker.record().body["id"]
        return session_id

    assert speaker.delete(recorded()).effects == DELETE
    for trap in traps(DELETE):
        session_id = recorded()
        speaker.delete(session_id, trap)
        assert speaker.delete(session_id).status in (200, 404)
        assert speaker.read(session_id).status == 404
    assert speaker.ids() == []
    speaker.sweep()
    assert speaker.objects() == []
    speaker.assert_nothing_is_left_over()


# Races: one request stands still at each of its points while the other runs


@pytest.mark.parametrize("content", [RECORDING, NO_RECORDING], ids=["a recording", "no recording"])
def test_deleting_while_completing(speaker: Speaker, content: bytes) -> None:
    effects = COMPLETE if content == RECORDING else REFUSE
    for point in range(2 * len(effects)):
        session_id = speaker.put(content)
        completing = event("POST", f"/{session_id}/complete")
        with speaker.functions.held("SpeakingSessionsCompleteFunction", completing, point) as held:
            deleted = speaker.delete(session_id)
            completed = held.release()
        assert deleted.status in (200, 404)
        assert completed.status in (200, 400, 404, 409)  # 409: the object went before it was looked at
        assert session_id not in speaker.ids()
        assert session_id not in speaker.objects()
    speaker.assert_nothing_is_left_over()


def test_completing_and_reading_while_deleting(speaker: Speaker) -> None:
    for point in range(2 * len(DELETE)):
        session_id = speaker.put()
        deleting = event("DELETE", f"/{session_id}")
        with speaker.functions.held("SpeakingSessionsDeleteFunction", deleting, point) as held:
            completed, read = speaker.complete(session_id), speaker.read(session_id)
            assert (completed.status, read.status) == ((200, 200) if point == 0 else (404, 404))
            speaker.assert_no_claim_is_false()
            assert held.release().body == {"ok": True}
    assert speaker.objects() == []
    speaker.assert_nothing_is_left_over()


def test_deleting_while_a_form_is_taken_in(speaker: Speaker) -> None:
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    for point in range(3, 2 * len(CREATE_BY_FORM)):  # from where there is a session to delete
        with speaker.functions.held(
            "SpeakingSessionsCreateFunction", event("POST", "", body=FORM, headers=headers), point
        ) as held:
            [session_id] = speaker.ids()
            assert speaker.delete(session_id).body == {"ok": True}
            assert held.release().status == (404 if point < 7 else 201)
        assert speaker.ids() == []
        speaker.sweep()
        assert speaker.objects() == []
    speaker.assert_nothing_is_left_over()


def test_two_deletions_at_once_are_one(speaker: Speaker) -> None:
    for point in range(2 * len(DELETE)):
        session_id = speaker.put()
        deleting = event("DELETE", f"/{session_id}")
        with speaker.functions.held("SpeakingSessionsDeleteFunction", deleting, point) as held:
            assert speaker.delete(session_id).status == (200 if point == 0 else 404)
            assert held.release().status == (404 if point == 0 else 200)
    speaker.assert_nothing_is_left_over()


def test_completing_at_once_is_completing_once(speaker: Speaker) -> None:
    session_id = speaker.put()
    completing = event("POST", f"/{session_id}/complete")
    with ExitStack() as stack:
        held = [
            stack.enter_context(speaker.functions.held("SpeakingSessionsCompleteFunction", completing, point))
            for point in (0, 1, 2, 0, 1, 2)
        ]
        assert [one.release().status for one in held] == [200] * 6
    speaker.assert_nothing_is_left_over()
    assert speaker.ids() == [session_id]


def test_an_object_that_lands_after_its_sessions_end_goes_too(speaker: Speaker) -> None:
    announcement = speaker.announce().body
    assert speaker.delete(announcement["id"]).body == {"ok": True}
    put_to(announcement, RECORDING)  # the URL still works
    speaker.sweep()
    assert speaker.objects() == [announcement["id"]]  # while it could come once more
    due = speaker.rows.execute("SELECT FROM object_deletions WHERE not_before > now() + interval '50 minutes'")
    assert due.rowcount == 1
    speaker.assert_nothing_is_left_over()
    assert speaker.objects() == []


# Storage


def test_a_bucket_that_is_down_stops_no_deletion(start_stack: Callable[..., LocalStack], tmp_path: Path) -> None:
    server = S3Server(tmp_path / "s3").start()
    s3_server.ensure_bucket(s3_server.client(server.endpoint_url), "recordings", [ANY_ORIGIN])
    stack = start_stack(**storage_settings(server, "recordings"))

    def keys() -> list[str]:
        return [known["Key"] for known in stack.storage.list_objects_v2(Bucket="recordings").get("Contents", [])]

    form: dict[str, Any] = {"data": {"duration": "1"}, "files": {"audio": ("a.wav", RECORDING, "audio/wav")}}
    try:
        with httpx.Client(base_url=stack.url, timeout=30) as http:
            session_id = http.post("/api/sessions", **form).json()["id"]
            [key] = keys()
            server.stop()
            assert http.delete(f"/api/sessions/{session_id}").json() == {"ok": True}
            assert http.get(f"/api/sessions/{session_id}").status_code == 404
            refused = http.post("/api/sessions", **form)
            assert (refused.status_code, refused.json()["code"]) == (500, "INTERNAL_ERROR")
            assert http.get("/api/sessions").json()["total"] == 0
        server.start()
        assert keys() == [key]
        stack.sandboxes.invoke("OperationsSweepFunction", {})
        assert keys() == []
    finally:
        server.stop()


def test_a_bucket_that_hangs_holds_up_no_deletion(speaker: Speaker) -> None:
    session_id = speaker.announce().body["id"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        speaker.functions.environment["S3_ENDPOINT_URL"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        assert speaker.delete(session_id).body == {"ok": True}
        assert time.monotonic() - begun < 8
    assert speaker.rows.execute("SELECT FROM object_deletions WHERE not_before <= now()").rowcount == 1


# Age, and numbers


def test_a_session_without_its_recording_goes_after_a_day(speaker: Speaker) -> None:
    old, fresh, done = speaker.put(), speaker.put(), speaker.put()
    assert speaker.complete(done).status == 200
    speaker.rows.execute(
        "UPDATE speaking_sessions SET created_at = now() - interval '25 hours' WHERE id = ANY(%s)", [[old, done]]
    )
    counts = speaker.sweep()
    assert (counts["unrecorded"], counts["objects"]) == (1, 1)
    assert sorted(speaker.ids()) == speaker.objects() == sorted([fresh, done])
    assert speaker.complete(old).status == 404


@pytest.mark.parametrize(("page", "limit"), [(1, 10), (1, 100), (5000, 10)])
def test_a_hundred_thousand_sessions_stay_on_an_index(hundred_thousand: Rows, page: int, limit: int) -> None:
    explained = hundred_thousand.execute(
        "EXPLAIN (ANALYZE, FORMAT JSON) " + speaking_sessions_table._PAGE,
        {"sub": SUB, "limit": limit, "offset": (page - 1) * limit},
    ).fetchall()[0]["QUERY PLAN"][0]
    plan = list(nodes(explained["Plan"]))
    scans = {
        (node["Node Type"], node.get("Index Name"), node["Actual Rows"] * node["Actual Loops"])
        for node in plan
        if node.get("Relation Name") == "speaking_sessions"
    }
    assert scans == {
        ("Index Only Scan", "speaking_sessions_page", 100_000),  # the total
        ("Index Only Scan", "speaking_sessions_page", page * limit),  # up to the page's end, and not further
        ("Index Scan", "speaking_sessions_pkey", limit),  # the page's own rows
    }
    assert [node["Actual Rows"] for node in plan if node["Node Type"] == "Sort"] == [limit]
    assert explained["Execution Time"] < 1000  # milliseconds


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


@pytest.fixture(scope="session")
def hundred_thousand(make_database: Callable[[], str]) -> Iterator[Rows]:
    """100,000 sessions of one user among 20,000 of others."""
    with psycopg.connect(make_database(), autocommit=True, row_factory=dict_row) as connection:
        # VACUUM marks pages as visible to all only once their rows' commits are on disk.
        connection.execute("SET synchronous_commit = on")
        connection.execute(
            "INSERT INTO users (external_id) SELECT %s UNION ALL SELECT 'other' || n FROM generate_series(1, 20) n",
            [SUB],
        )
        connection.execute(
            """
            INSERT INTO speaking_sessions (user_id, status, duration_secs, audio_key, content_type, size, created_at)
            SELECT users.id, 'UPLOADED', 1, 'sessions/' || users.id || '/' || n, 'audio/wav', 1,
                   now() - make_interval(secs => n)
              FROM users, generate_series(1, CASE external_id WHEN %s THEN 100000 ELSE 1000 END) AS n
            """,
            [SUB],
        )
        connection.execute("VACUUM ANALYZE speaking_sessions")
        yield connection
