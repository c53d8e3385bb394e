"""Any sequence of calls by two users, clock jumps, sweeps, refusals and crashes keeps what upload sessions promise.

Hypothesis makes the sequences. The functions run in this process, so that there can be many; after each step rows and
bucket are compared, and in the end everything is swept.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from inlet.settings import settings as inlet_settings
from tests.support.crash import Run, Trap
from tests.support.upload_sessions import File, digest, parts_list, pdf, put_parts
from tests.support.worlds import upload_sessions
from tests.support.worlds.upload_sessions import SWEEP, Call, UploadSessionsWorld

LIMIT = 4
USERS = ("ada", "bob")
KNOWN = pdf(300)
FILES = (
    pdf(200),
    File(KNOWN.content, sha256=digest(KNOWN.content), filename="known.pdf"),
    parts_list(),
    File(b"no PDF", filename="liar.pdf"),
    pdf(100, filename="other digest.pdf", sha256=digest(b"")),
)
TERMINAL = ("completed", "expired", "aborted")


class Sequences(RuleBasedStateMachine):
    """The world is given by the test; what happens in it, by Hypothesis."""

    world: UploadSessionsWorld

    sessions = Bundle("sessions")
    registered = Bundle("registered")

    users = st.sampled_from(USERS)
    traps = st.one_of(
        st.none(),
        st.none(),
        st.builds(Trap, st.integers(0, 11), st.sampled_from(["die", "lose", "refuse"])),
    )

    @initialize()
    def empty(self) -> None:
        self.world.rows.execute("TRUNCATE upload_sessions, rate_limits, object_deletions, outbox_events CASCADE")
        for key in self.world.objects():
            self.world.storage.delete_object(Bucket=self.world.bucket, Key=key)
        self.owner: dict[str, str] = {}
        self.declared: dict[str, list[File]] = {}
        self.ended: dict[str, str] = {}
        self.days = 1

    def call(self, call: Call, trap: Trap | None, expected: set[int]) -> Run:
        """Make a call; whatever happens, it may only answer as documented. 500 needs a reason."""
        run = self.world.run(call, trap)
        if run.error is None and call is not SWEEP:
            allowed = expected | ({500, 409} if trap else set())
            assert run.status in allowed, (call.function, run.payload)
        return run

    def belongs(self, session_id: str, user: str) -> bool:
        return self.owner[session_id] == user

    @rule(target=sessions, user=users, files=st.lists(st.sampled_from(FILES), min_size=1, max_size=3), trap=traps)
    def create(self, user: str, files: list[File], trap: Trap | None) -> Any:
        acceptable = any(file.category == "instruction" for file in files)
        run = self.call(upload_sessions.create(*files, user=user), trap, {201, 429} if acceptable else {400})
        if run.error is not None or run.status != 201:
            return multiple()
        self.owner[run.body["sessionId"]] = user
        self.declared[run.body["sessionId"]] = files
        return run.body["sessionId"]

    @rule(target=registered, session_id=sessions, user=users, file=st.sampled_from(FILES), trap=traps)
    def register(self, session_id: str, user: str, file: File, trap: Trap | None) -> Any:
        expected = {404}
        if self.belongs(session_id, user):
            expected = {200, 201, 400} if file in self.declared[session_id] else {400}
        run = self.call(upload_sessions.register(session_id, file, user), trap, expected)
        if run.error is not None or run.status >= 300 or not run.body["parts"]:
            return multiple()
        return session_id, file, run.body

    @rule(session_id=sessions, user=users, files=st.lists(st.sampled_from(FILES), min_size=1, max_size=4), trap=traps)
    def register_batch(self, session_id: str, user: str, files: list[File], trap: Trap | None) -> None:
        expected = {200, 400} if self.belongs(session_id, user) else {404}
        self.call(upload_sessions.register_batch(session_id, *files, user=user), trap, expected)

    @rule(one=registered, user=users, sent=st.sampled_from([True, True, True, False]), trap=traps)
    def complete(self, one: tuple[str, File, dict[str, Any]], user: str, sent: bool, trap: Trap | None) -> None:
        session_id, file, body = one
        etags = {1: '"0123456789abcdef0123456789abcdef"'}
        if sent:
            with suppress(httpx.HTTPStatusError):  # the upload is gone: so says the bucket, so must the function
                etags = put_parts(body["parts"], file)
        expected = {200, 400, 404} if self.belongs(session_id, user) else {404}
        run = self.call(upload_sessions.complete(session_id, body["fileId"], etags, user), trap, expected)
        if run.error is None and run.status == 200:
            assert self.world.content(f"files/{session_id}/{body['fileId']}") == file.content

    @rule(one=registered, user=users, trap=traps)
    def list_parts(self, one: tuple[str, File, dict[str, Any]], user: str, trap: Trap | None) -> None:
        session_id, _, body = one
        expected = {200, 400, 404} if self.belongs(session_id, user) else {404}
        self.call(upload_sessions.list_parts(session_id, body["fileId"], user), trap, expected)

    @rule(session_id=sessions, user=users, trap=traps)
    def finalize(self, session_id: str, user: str, trap: Trap | None) -> None:
        expected = {200, 400, 409, 422} if self.belongs(session_id, user) else {404}
        run = self.call(upload_sessions.finalize(session_id, user), trap, expected)
        if run.error is None and run.status == 200:
            ids = [file["fileId"] for file in run.body["files"]]
            assert len(ids) == len(self.declared[session_id])
            assert not any(file["filename"] in ("liar.pdf", "other digest.pdf") for file in run.body["files"])

    @rule(session_id=sessions, user=users, trap=traps)
    def abort(self, session_id: str, user: str, trap: Trap | None) -> None:
        self.call(
            upload_sessions.abort(session_id, user), trap, {204, 409} if self.belongs(session_id, user) else {404}
        )

    @rule(session_id=sessions, user=users, trap=traps)
    def delete(self, session_id: str, user: str, trap: Trap | None) -> None:
        """Whatever its state. From then on it is nobody's; files that others rely on have become theirs."""
        self.call(
            upload_sessions.delete(session_id, user), trap, {204, 409} if self.belongs(session_id, user) else {404}
        )
        select = "SELECT FROM upload_sessions WHERE id = %s AND status <> 'deleted'"
        if self.belongs(session_id, user) and self.world.rows.execute(select, (session_id,)).rowcount == 0:
            self.owner[session_id], self.ended[session_id] = "", "deleted"

    @rule(session_id=sessions, user=users)
    def read(self, session_id: str, user: str) -> None:
        run = self.call(
            upload_sessions.read(session_id, user), None, {200} if self.belongs(session_id, user) else {404}
        )
        if run.status == 200:
            assert [file["filename"] for file in run.body["files"]] == [
                file.filename for file in self.declared[session_id]
            ]

    @rule(trap=traps)
    def sweep(self, trap: Trap | None) -> None:
        self.call(SWEEP, trap, set())

    @rule(minutes=st.sampled_from([1, 10, 16, 25, 60 * 24]))
    def clock_jumps(self, minutes: int) -> None:
        """Everything that has a time is that much older."""
        self.days += minutes == 60 * 24
        self.world.pass_time(minutes * 60)

    @invariant()
    def rows_and_bucket_agree(self) -> None:
        if not hasattr(self, "owner"):
            return
        sessions = {str(row["id"]): row for row in self.world.rows.execute("SELECT * FROM upload_sessions").fetchall()}
        files = self.world.rows.execute("SELECT * FROM upload_session_files").fetchall()
        objects, uploads = self.world.objects().keys(), self.world.uploads()
        doomed = {row["key"] for row in self.world.rows.execute("SELECT key FROM object_deletions").fetchall()}

        for session_id, session in sessions.items():
            if session_id in self.owner:  # a crash may have created one without telling
                assert session["user_id"] == self.owner[session_id]
            earlier = self.ended.get(session_id, session["status"])
            assert session["status"] == earlier, "an ended session has changed its mind"
            if session["status"] in TERMINAL:
                self.ended[session_id] = session["status"]
        for user in USERS:
            mine = [session for session in sessions.values() if session["user_id"] == user]
            assert len(mine) <= LIMIT * self.days
        for file in files:
            session = sessions[str(file["session_id"])]
            assert session["status"] not in ("expired", "aborted", "deleted"), "files go with their session"
            if file["status"] == "completed":
                assert file["key"] in objects, "a completed file is there"
            elif file["key"] not in objects:
                assert (file["key"], file["multipart_upload_id"]) in uploads, "a registered file can be sent"
        completed = {file["key"] for file in files if file["status"] == "completed"}
        registered = {file["key"] for file in files if file["status"] == "registered"}
        for key in objects - completed - registered - doomed:
            assert not is_forgotten(sessions.get(key.split("/")[1]), keeps_objects=True), f"{key} is orphaned"
        known = {(file["key"], file["multipart_upload_id"]) for file in files}
        for key, _ in uploads - known:
            ended = sessions.get(key.split("/")[1])
            assert not is_forgotten(ended, keeps_objects=False), f"upload of {key} is orphaned"

    def teardown(self) -> None:
        if hasattr(self, "owner"):
            self.world.assert_nothing_is_left_over()


def is_forgotten(session: Mapping[str, Any] | None, *, keeps_objects: bool) -> bool:
    """Whether nobody will come to remove what the session should not have in the bucket."""
    if session is None:
        return True
    if session["status"] in ("active", "finalizing"):
        return False
    return session["purge_after"] is None or (keeps_objects and session["status"] == "completed")


def test_any_sequence_keeps_the_promises(
    world_in_process: UploadSessionsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPLOAD_SESSIONS_PER_DAY", str(LIMIT))
    inlet_settings.reload()
    Sequences.world = world_in_process
    run_state_machine_as_test(
        Sequences,
        settings=settings(
            max_examples=18,
            stateful_step_count=30,
            derandomize=True,  # the same sequences in every run: a failure is always somebody's doing
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
