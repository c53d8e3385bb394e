"""Speaking sessions where functions can be killed and held: a signed-in user's calls, and what must always hold."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.crash import Functions, Held, Run, Trap
from tests.support.invocations import api_event
from tests.support.recordings import tone
from tests.support.worlds.world import World

SUB = "ada"  # the user of upload sessions too
_CREATE = "SpeakingSessionsCreateFunction"
_COMPLETE = "SpeakingSessionsCompleteFunction"
_READ = "SpeakingSessionsReadFunction"
_DELETE = "SpeakingSessionsDeleteFunction"
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

# What each call does to the world, in order. The crash suite holds a clean run against it, so that no effect escapes.
CREATE_DIRECT = ["INSERT INTO rate_limits", "INSERT INTO users", "INSERT INTO speaking_sessions"]
CREATE_BY_FORM = [*CREATE_DIRECT, "PutObject", "UPDATE speaking_sessions"]
COMPLETE = ["GetObject", "UPDATE speaking_sessions"]
REFUSE = ["GetObject", "DELETE FROM speaking_sessions", "DeleteObjects", "UPDATE object_deletions"]
DELETE = ["DELETE FROM speaking_sessions", "DeleteObjects", "UPDATE object_deletions"]


@dataclass(frozen=True)
class SpeakingSessionsWorld(World):
    """A user, and everything that a recording touches."""

    functions: Functions

    def record(self, trap: Trap | None = None) -> Run:
        """Send a form."""
        return self.functions.invoke(_CREATE, form_event(), trap)

    def announce(self, content: bytes = RECORDING, trap: Trap | None = None) -> Run:
        """Announce a recording."""
        announcement = {"contentType": "audio/wav", "size": len(content), "duration": 1}
        return self.functions.invoke(_CREATE, _event("POST", "", json_body=announcement), trap)

    def put(self, content: bytes = RECORDING) -> str:
        """Announce a recording and PUT it; return the session's id."""
        announcement = self.announce(content).body
        put_to(announcement, content)
        session_id: str = announcement["id"]
        return session_id

    def complete(self, session_id: str, trap: Trap | None = None) -> Run:
        """POST /api/sessions/{id}/complete."""
        return self.functions.invoke(_COMPLETE, complete_event(session_id), trap)

    def delete(self, session_id: str, trap: Trap | None = None) -> Run:
        """DELETE /api/sessions/{id}."""
        return self.functions.invoke(_DELETE, delete_event(session_id), trap)

    def read(self, session_id: str) -> Run:
        """GET /api/sessions/{id}."""
        return self.functions.invoke(_READ, _event("GET", f"/{session_id}"))

    def recording(self, point: int) -> AbstractContextManager[Held]:
        """Send a form that stands still at a point."""
        return self.functions.held(_CREATE, form_event(), point)

    def completing(self, session_id: str, point: int) -> AbstractContextManager[Held]:
        """Complete a session, standing still at a point."""
        return self.functions.held(_COMPLETE, complete_event(session_id), point)

    def deleting(self, session_id: str, point: int) -> AbstractContextManager[Held]:
        """Delete a session, standing still at a point."""
        return self.functions.held(_DELETE, delete_event(session_id), point)

    # Taking stock

    def ids(self) -> list[str]:
        """Return the ids of all sessions, oldest first."""
        return [row["id"] for row in self.rows.execute("SELECT id::text FROM speaking_sessions ORDER BY created_at")]

    def recorded_ids(self) -> list[str]:
        """Return the ids of the sessions whose objects there are."""
        return sorted(key.split("/")[2] for key in self.objects("sessions/"))

    def assert_no_claim_is_false(self) -> None:
        """Find the whole recording of every session that claims one."""
        for row in self.rows.execute("SELECT audio_key, size FROM speaking_sessions WHERE status <> 'CREATED'"):
            stored = self.storage.head_object(Bucket=self.bucket, Key=row["audio_key"])
            assert stored["ContentLength"] == row["size"]

    def accounted_for(self) -> tuple[set[str], set[str]]:
        """Return the recordings; nothing else may stay."""
        return {row["audio_key"] for row in self.rows.execute("SELECT audio_key FROM speaking_sessions")}, set()

    def assert_nothing_is_left_over(self) -> None:
        """Let days pass with sweeps, and find as many objects as sessions, all of them completed."""
        self.assert_no_claim_is_false()
        self.pass_days_with_sweeps()
        super().assert_nothing_is_left_over()
        assert self.rows.execute("SELECT FROM speaking_sessions WHERE status = 'CREATED'").rowcount == 0
        self.assert_no_claim_is_false()


def form_event() -> dict[str, Any]:
    """Return the event of a recording sent as a form."""
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    return _event("POST", "", body=FORM, headers=headers)


def complete_event(session_id: str) -> dict[str, Any]:
    """Return the event of POST /api/sessions/{id}/complete."""
    return _event("POST", f"/{session_id}/complete")


def delete_event(session_id: str) -> dict[str, Any]:
    """Return the event of DELETE /api/sessions/{id}."""
    return _event("DELETE", f"/{session_id}")


def put_to(announcement: dict[str, Any], content: bytes) -> None:
    """PUT a recording where its announcement's answer says."""
    httpx.put(announcement["uploadUrl"], content=content, headers=announcement["headers"]).raise_for_status()


def _event(method: str, path: str, **request: Any) -> dict[str, Any]:
    return api_event(method, f"/api/sessions{path}", claims={"sub": SUB, "email": "ada@example.com"}, **request)
