"""Upload sessions where functions can be killed and held: every call, and what must be there in the end."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.crash import Functions, Held, Run, Trap
from tests.support.invocations import api_event
from tests.support.upload_sessions import PART, SESSIONS, File, put_parts, to_complete
from tests.support.worlds.world import World

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

USER = "ada"


@dataclass(frozen=True)
class Call:
    """One invocation: a function by its logical id, and its event."""

    function: str
    event: dict[str, Any]


SWEEP = Call("OperationsSweepFunction", {})


def create(*files: File, user: str = USER, register_first: int = 0) -> Call:
    """POST …/sessions."""
    body = {"files": [file.declared for file in files], "registerFirst": register_first}
    return _call("Create", "POST", SESSIONS, {}, body, user)


def register(session_id: str, file: File, user: str = USER) -> Call:
    """POST …/files."""
    return _call("RegisterFile", "POST", "/files", {"sessionId": session_id}, file.declared, user)


def register_batch(session_id: str, *files: File, user: str = USER) -> Call:
    """POST …/files/batch."""
    body = {"files": [file.declared for file in files]}
    return _call("RegisterBatch", "POST", "/files/batch", {"sessionId": session_id}, body, user)


def list_parts(session_id: str, file_id: str, user: str = USER) -> Call:
    """GET …/parts."""
    return _call("ListParts", "GET", "/parts", {"sessionId": session_id, "fileId": file_id}, None, user)


def complete(session_id: str, file_id: str, etags: dict[int, str], user: str = USER) -> Call:
    """POST …/complete."""
    body = {"parts": [{"partNumber": number, "etag": etag} for number, etag in etags.items()]}
    return _call("CompleteFile", "POST", "/complete", {"sessionId": session_id, "fileId": file_id}, body, user)


def complete_files(session_id: str, files: dict[str, dict[int, str]], user: str = USER) -> Call:
    """POST …/files/complete."""
    body = to_complete([*files.items()])
    return _call("CompleteFiles", "POST", "/files/complete", {"sessionId": session_id}, body, user)


def finalize(session_id: str, user: str = USER, files: dict[str, dict[int, str]] | None = None) -> Call:
    """POST …/finalize, with the files to complete first."""
    body = to_complete([*files.items()]) if files else None
    return _call("Finalize", "POST", "/finalize", {"sessionId": session_id}, body, user)


def abort(session_id: str, user: str = USER) -> Call:
    """DELETE …/sessions/{sessionId}."""
    return _call("Abort", "DELETE", "", {"sessionId": session_id}, None, user)


def delete(session_id: str, user: str = USER) -> Call:
    """DELETE …/sessions/{sessionId}?completed=true."""
    call = abort(session_id, user)
    call.event["queryStringParameters"] = {"completed": "true"}
    return call


def read(session_id: str, user: str = USER) -> Call:
    """GET …/sessions/{sessionId}."""
    return _call("Read", "GET", "", {"sessionId": session_id}, None, user)


def _call(verb: str, method: str, path: str, ids: dict[str, str], body: Any, user: str) -> Call:
    if ids:
        file = f"/files/{ids['fileId']}" if "fileId" in ids else ""
        path = f"{SESSIONS}/{ids['sessionId']}{file}{path}"
    event = api_event(method, path, json_body=body, claims={"sub": user}, path_parameters=ids)
    return Call(f"UploadSessions{verb}Function", event)


@dataclass(frozen=True)
class Registered:
    """A registered file whose parts are all in the bucket."""

    id: str
    etags: dict[int, str]


@dataclass(frozen=True)
class UploadSessionsWorld(World):
    """Everything a session touches."""

    def run(self, call: Call, trap: Trap | None = None) -> Run:
        """Make a call, into a trap if there is one."""
        return self.functions.invoke(call.function, call.event, trap)

    def held(self, call: Call, point: int) -> "AbstractContextManager[Held]":
        """Make a call that stands still at a point."""
        assert isinstance(self.functions, Functions), "nothing stands still in this process"
        return self.functions.held(call.function, call.event, point)

    def create(self, *files: File) -> str:
        """Create a session; return its id."""
        session_id: str = self.run(create(*files)).body["sessionId"]
        return session_id

    def send(self, session_id: str, file: File) -> Registered:
        """Register a file and PUT its parts."""
        body = self.run(register(session_id, file)).body
        return Registered(body["fileId"], put_parts(body["parts"], file))

    def complete(self, session_id: str, file: File) -> Registered:
        """Send a file and complete it."""
        sent = self.send(session_id, file)
        assert self.run(complete(session_id, sent.id, sent.etags)).status == 200
        return sent

    # Time

    def overdue(self, session_id: str) -> None:
        """Leave the session alone for too long."""
        self.rows.execute(
            "UPDATE upload_sessions SET expires_at = now() - interval '1 second' WHERE id = %s", (session_id,)
        )

    def lapse(self, session_id: str) -> None:
        """Let the lease of whoever finalizes the session run out."""
        self.rows.execute(
            "UPDATE upload_sessions SET locked_until = now() - interval '1 second' "
            "WHERE id = %s AND lock_token IS NOT NULL",
            (session_id,),
        )

    # What there is

    def session(self, session_id: str) -> dict[str, Any]:
        """Return the session's row."""
        row = self.rows.execute("SELECT * FROM upload_sessions WHERE id = %s", (session_id,)).fetchone()
        assert row is not None
        return row

    def files(self, session_id: str) -> list[dict[str, Any]]:
        """Return the rows of its files."""
        statement = "SELECT * FROM upload_session_files WHERE session_id = %s ORDER BY position"
        return self.rows.execute(statement, (session_id,)).fetchall()

    def accounted_for(self) -> tuple[set[str], set[str]]:
        """Return the completed files; nothing else may stay."""
        completed = "SELECT key FROM upload_session_files WHERE status = 'completed'"
        return {row["key"] for row in self.rows.execute(completed)}, set()

    def assert_nothing_is_left_over(self) -> None:
        """Let days pass with sweeps, and find only completed files of completed sessions, and no session unfinished."""
        self.pass_days_with_sweeps()
        super().assert_nothing_is_left_over()
        kept = self.rows.execute(
            """SELECT key, session.status, file.status AS file_status FROM upload_session_files AS file
                 JOIN upload_sessions AS session ON session.id = session_id"""
        ).fetchall()
        assert all((row["status"], row["file_status"]) == ("completed", "completed") for row in kept), kept
        unfinished = self.rows.execute(
            """SELECT status, purge_after FROM upload_sessions
                WHERE purge_after IS NOT NULL OR status IN ('active', 'finalizing')"""
        ).fetchall()
        assert unfinished == []


def is_whole(world: UploadSessionsWorld, session_id: str, file: File) -> bool:
    """Whether the session's one file is there, byte for byte."""
    [row] = world.files(session_id)
    return row["status"] == "completed" and world.content(row["key"]) == file.content


def two_parts(**about: Any) -> File:
    """A PDF in two parts."""
    return File(b"%PDF-1.7\n" + bytes(PART), **about)
