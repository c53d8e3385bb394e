"""What the tests of a user as a whole share: a world of both families, and somebody who has all there is."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import viewers
from tests.support.crash import Functions, Run, Trap
from tests.support.invocations import api_event
from tests.support.recordings import tone
from tests.support.stacks import Rows
from tests.support.upload_sessions import File, digest, parts_list, pdf, png, put_parts
from tests.support.worlds import upload_sessions
from tests.support.worlds.speaking_sessions import SUB, SpeakingSessionsWorld
from tests.support.worlds.upload_sessions import UploadSessionsWorld

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from mypy_boto3_s3 import S3Client

    from tests.support.crash import Held

BYSTANDER = "bob"
DELETE, EXPORT = "UsersDeleteFunction", "UsersExportFunction"


@dataclass(frozen=True)
class UsersWorld(UploadSessionsWorld):
    """Everything that a user has; `recordings` is the same world for the other family."""

    recordings: SpeakingSessionsWorld

    def forget(self, user: str = SUB, trap: Trap | None = None) -> Run:
        """DELETE /api/me."""
        return self.functions.invoke(DELETE, _me("DELETE", "", user), trap)

    def forgetting(self, point: int) -> "AbstractContextManager[Held]":
        """Delete everything, standing still at a point."""
        assert isinstance(self.functions, Functions)
        return self.functions.held(DELETE, _me("DELETE", "", SUB), point)

    def export(self, user: str = SUB, after: str | None = None) -> dict[str, Any]:
        """GET /api/me/export."""
        event = _me("GET", "/export", user)
        if after:
            event["queryStringParameters"] = {"after": after}
        body: dict[str, Any] = self.functions.invoke(EXPORT, event).body
        return body

    def has_everything(self, user: str = SUB) -> None:
        """Give a user sessions of every state, and recordings of every kind with what was heard in them."""
        file, known = pdf(1000), png(700)
        known = replace(known, sha256=digest(known.content))
        for ending in ("complete", "finalize", "abort", "expire", "sent"):
            session_id = self._created(user, file, known)
            for one in (file, known):
                self._sent(user, session_id, one)
                if ending == "sent":
                    break  # registered, and its one part is in the bucket
                self._completed(user, session_id, one)
            if ending == "finalize":
                assert self.run(upload_sessions.finalize(session_id, user)).status == 200
            if ending == "abort":
                assert self.run(upload_sessions.abort(session_id, user)).status == 204
            if ending == "expire":
                self.overdue(session_id)
                self.sweep()
        self._created(user, file, known, parts_list())
        for number in range(3):
            self.records(user, f"Talk {number}")
        self._announces(user)
        self._watches(user, self._created(user, file))

    def _watches(self, user: str, session_id: str) -> None:
        """Hold a ticket for a session, and watch it."""
        topic = f"upload_session:{session_id}"
        viewers.watch(self.rows, topic, f"connection of {user}", user=user)
        held = self.rows.execute("SELECT FROM live_tickets WHERE topic = %s AND user_id = %s", (topic, user)).rowcount
        assert held == 1, "creating a session gives one out"

    def records(self, user: str, topic: str) -> str:
        """Send a recording, and have it heard."""
        event = api_event(
            "POST",
            "/api/sessions",
            claims=claims(user),
            json_body=announcement(topic),
            headers={"Idempotency-Key": topic.replace(" ", "-")},
        )
        announced = self.functions.invoke("SpeakingSessionsCreateFunction", event).body
        self.storage.put_object(Bucket=self.bucket, Key=self._key(announced["id"]), Body=tone())
        done = api_event(
            "POST",
            f"/api/sessions/{announced['id']}/complete",
            claims=claims(user),
            path_parameters={"id": announced["id"]},
        )
        assert self.functions.invoke("SpeakingSessionsCompleteFunction", done).status == 200
        self.rows.execute(
            "INSERT INTO transcripts (session_id, text, language, engine, segments)"
            " VALUES (%s, %s, 'en', 'local', '[]')",
            (announced["id"], f"What {user} said of {topic}"),
        )
        self.rows.execute(
            "INSERT INTO insights (session_id, category, severity, message, start_secs)"
            " VALUES (%s, 'pace', 'low', %s, 17.25)",
            (announced["id"], f"A remark for {user}"),
        )
        self.rows.execute(
            "INSERT INTO speech_calls (session_id, attempt, step, claim, state)"
            " VALUES (%s, 1, 'transcribing', gen_random_uuid(), 'generated')",
            (announced["id"],),
        )
        self.rows.execute(
            "UPDATE speaking_sessions SET status = 'FAILED', stage = 'failed', progress = 90, attempt = 1,"
            " error_message = %s, metrics = %s WHERE id = %s",
            ("No luck", json.dumps({"words": 4711}), announced["id"]),
        )
        session_id: str = announced["id"]
        return session_id

    def _announces(self, user: str) -> None:
        event = api_event("POST", "/api/sessions", claims=claims(user), json_body=announcement("never sent"))
        assert self.functions.invoke("SpeakingSessionsCreateFunction", event).status == 201

    def _key(self, session_id: str) -> str:
        row = self.rows.execute("SELECT audio_key FROM speaking_sessions WHERE id = %s", (session_id,)).fetchone()
        assert row is not None
        key: str = row["audio_key"]
        return key

    def _created(self, user: str, *files: File) -> str:
        session_id: str = self.run(upload_sessions.create(*files, user=user)).body["sessionId"]
        return session_id

    def _sent(self, user: str, session_id: str, file: File) -> tuple[str, dict[int, str]]:
        registered = self.run(upload_sessions.register(session_id, file, user)).body
        return registered["fileId"], put_parts(registered["parts"], file)

    def _completed(self, user: str, session_id: str, file: File) -> None:
        file_id, etags = self._sent(user, session_id, file)
        assert self.run(upload_sessions.complete(session_id, file_id, etags, user)).status == 200

    # Taking stock

    def accounted_for(self) -> tuple[set[str], set[str]]:
        """Return the files and recordings of those who are left."""
        uploads, _ = super().accounted_for()
        recorded = self.rows.execute("SELECT audio_key FROM speaking_sessions WHERE status <> 'CREATED'")
        return uploads | {row["audio_key"] for row in recorded}, set()

    def mentions(self, words: str) -> list[str]:
        """Return the tables of which a row holds these words."""
        whole = re.compile(rf"\b{re.escape(words)}\b")
        return [table for table, rows in self.snapshot().items() if any(map(whole.search, rows))]


def announcement(topic: str) -> dict[str, Any]:
    """Return the announcement of a recording."""
    return {"contentType": "audio/wav", "size": len(tone()), "duration": 1, "topic": topic}


def claims(user: str) -> dict[str, str]:
    """Return what the gateway vouches for."""
    return {"sub": user, "email": f"{user}@example.com", "name": f"The one named {user}"}


def _me(method: str, path: str, user: str) -> dict[str, Any]:
    return api_event(method, f"/api/me{path}", claims=claims(user))


@pytest.fixture
def world(killable: Callable[..., Functions], world_rows: Rows, own_bucket: str, storage: "S3Client") -> UsersWorld:
    """Set up users, whose finished sessions are kept for a week and recordings for three days."""
    settings = {"UPLOAD_RETENTION_DAYS": "7", "RECORDING_RETENTION_DAYS": "3", "RATE_LIMIT_BYPASS": "true"}
    settings["LIVE_URL"] = "ws://127.0.0.1/live"
    functions = killable(**settings)
    recordings = SpeakingSessionsWorld(functions, world_rows, storage, own_bucket)
    return UsersWorld(functions, world_rows, storage, own_bucket, recordings)
