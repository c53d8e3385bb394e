"""Recordings that are analysed where functions can be killed: what arrives, the workflow, and what must be there after.

The models are replaced at their ports (crash_server.py); the recording is really decoded, from a second of a tone.
"""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

from inlet import identifiers, keys
from tests.support.crash import Run, Trap
from tests.support.invocations import api_event
from tests.support.recordings import speechlike
from tests.support.worlds.image_jobs import SharedEngine
from tests.support.worlds.speaking_sessions import SpeakingSessionsWorld

FINAL = ("COMPLETED", "FAILED")
PREPARE, TRANSCRIBE, ANALYSE, COMPLETE, FAIL = (
    f"RecordingStages{stage}Function" for stage in ("Prepare", "Transcribe", "Analyse", "Complete", "Fail")
)
SETTINGS = {"ANALYSIS": "gemini", "GEMINI_API_KEY": "none", "MODEL_CALLS_PER_DAY": "100000"}
RECORDING, NO_RECORDING = speechlike(), b"RIFF....WAVE no recording"

_PLANT = """
INSERT INTO speaking_sessions (id, user_id, status, duration_secs, language, audio_key, content_type, size, attempt)
SELECT %(id)s, id, 'UPLOADED', 3, 'en', %(key)s, 'audio/wav', %(size)s, 1 FROM users WHERE external_id = %(sub)s
"""


@dataclass(frozen=True)
class AnalysesWorld(SpeakingSessionsWorld):
    """A user's recordings, and the workflow that hears them."""

    engine: SharedEngine

    def planted(self, content: bytes = RECORDING) -> str:
        """A recording that has arrived and whose analysis nobody has started, straight in the table and the bucket.

        Each has a speaker of its own: of one speaker only two calls are under way at once.
        """
        session_id = identifiers.new_uuid()
        sub = speaker(session_id)
        self.rows.execute("INSERT INTO users (external_id) VALUES (%s) ON CONFLICT DO NOTHING", [sub])
        key = keys.recording(sub, session_id, "wav")
        self.storage.put_object(Bucket=self.bucket, Key=key, Body=content, ContentType="audio/wav")
        self.rows.execute(_PLANT, {"id": session_id, "key": key, "size": len(content), "sub": sub})
        return session_id

    def start(self, session_id: str) -> None:
        """Start the execution as whoever wrote the row does."""
        self.engine.client.start_execution(
            stateMachineArn=self.engine.analysis_arn,
            name=f"{session_id}-1",
            input=f'{{"sessionId": "{session_id}", "attempt": 1}}',
        )

    def analysed(self) -> str:
        """A recording whose analysis is completed."""
        session_id = self.planted()
        self.start(session_id)
        assert self.wait(session_id) == "COMPLETED"
        return session_id

    def again(self, session_id: str, trap: Trap | None = None) -> Run:
        """POST /api/sessions/{id}/analyse."""
        return self.functions.invoke("SpeakingSessionsAnalyseFunction", again_event(session_id), trap)

    def delete(self, session_id: str, trap: Trap | None = None) -> Run:
        """DELETE /api/sessions/{id}."""
        return self.functions.invoke("SpeakingSessionsDeleteFunction", delete_event(session_id), trap)

    def task(self, name: str, session_id: str, attempt: int = 1, trap: Trap | None = None) -> Run:
        """Run a stage as the engine would."""
        return self.functions.invoke(name, task_event(name, session_id, attempt), trap)

    def poll(self, session_id: str) -> dict[str, Any]:
        """GET /api/sessions/{id}, as its speaker."""
        run = self.functions.invoke("SpeakingSessionsReadFunction", _event("GET", session_id, "", None))
        assert run.status == 200, run.payload
        return cast("dict[str, Any]", run.body)

    def wait(self, session_id: str, seconds: float = 60) -> str:
        """Return the recording's final status, once its execution has ended too."""
        deadline = time.monotonic() + seconds
        with self.engine.moved:
            while (row := self.row(session_id))["status"] not in FINAL:
                assert time.monotonic() < deadline, f"{session_id} is {row['status']} in {row['stage']}"
                self.engine.moved.wait(1)
        self.wait_for_execution(session_id, row["attempt"])
        return cast("str", row["status"])

    def wait_for_execution(self, session_id: str, attempt: int = 1) -> None:
        """Until the engine is done with an attempt, if it was started at all."""
        while self._execution(session_id, attempt) == "RUNNING":
            time.sleep(0.01)

    # Taking stock

    def row(self, session_id: str) -> dict[str, Any]:
        """Return the session's row."""
        found = self.rows.execute("SELECT * FROM speaking_sessions WHERE id = %s", [session_id]).fetchone()
        assert found, f"no recording {session_id}"
        return found

    def told(self, session_id: str) -> tuple[int, int]:
        """Return how many transcripts and how many of the model's remarks the session has."""
        counts = self.rows.execute(
            "SELECT (SELECT count(*) FROM transcripts WHERE session_id = %(id)s) AS transcripts,"
            " (SELECT count(*) FROM insights WHERE session_id = %(id)s AND message = 'Good.') AS remarks",
            {"id": session_id},
        ).fetchone()
        assert counts
        return counts["transcripts"], counts["remarks"]

    def events(self, session_id: str) -> Counter[tuple[str, int]]:
        """Return how often each event of each attempt stands in the outbox."""
        rows = self.rows.execute(
            "SELECT name, properties FROM outbox_events WHERE properties ->> 'session_id' = %s", [session_id]
        )
        return Counter((row["name"], row["properties"]["attempt"]) for row in rows)

    def bill(self, session_id: str) -> Counter[tuple[str, int]]:
        """Return how often a model was paid, by the function that asked and the attempt."""
        return Counter((name, attempt) for paid, attempt, name in self.functions.bill() if paid == session_id)

    def executions(self, session_id: str) -> list[str]:
        """Return the names of all executions that were ever started for a recording."""
        pages = self.engine.client.get_paginator("list_executions").paginate(stateMachineArn=self.engine.analysis_arn)
        names = (execution["name"] for page in pages for execution in page["executions"])
        return sorted(name for name in names if name.startswith(session_id))

    def accounted_for(self) -> tuple[set[str], set[str]]:
        """Return the recordings, and what a failed analysis may keep so that a further attempt need not pay for it."""
        needed, _ = super().accounted_for()
        failed = self.rows.execute("SELECT id::text FROM speaking_sessions WHERE status = 'FAILED'").fetchall()
        return needed, {key for row in failed for key in keys.of_analysis(row["id"])}

    def assert_nothing_is_left_over(self) -> None:
        """Do as every world of recordings does, and find no analysis without an end."""
        super().assert_nothing_is_left_over()
        assert not self.rows.execute(
            "SELECT FROM speaking_sessions WHERE status IN ('UPLOADED', 'PROCESSING') AND attempt > 0"
        ).rowcount

    def execution_arn(self, session_id: str, attempt: int = 1) -> str:
        """Return the ARN of an attempt's execution."""
        return self.engine.analysis_arn.replace(":stateMachine:", ":execution:") + f":{session_id}-{attempt}"

    def _execution(self, session_id: str, attempt: int) -> str | None:
        client = self.engine.client
        try:
            return client.describe_execution(executionArn=self.execution_arn(session_id, attempt))["status"]
        except client.exceptions.ExecutionDoesNotExist:
            return None


def speaker(session_id: str) -> str:
    """Return who has sent a planted recording."""
    return f"speaker-of-{session_id}"


def task_event(name: str, session_id: str, attempt: int = 1) -> dict[str, Any]:
    """Return what the engine gives a stage."""
    event: dict[str, Any] = {"sessionId": session_id, "attempt": attempt}
    return event | ({"error": {"Error": "States.Timeout"}} if name == FAIL else {})


def again_event(session_id: str, sub: str | None = None) -> dict[str, Any]:
    """Return the event of POST /api/sessions/{id}/analyse."""
    return _event("POST", session_id, "/analyse", sub)


def delete_event(session_id: str, sub: str | None = None) -> dict[str, Any]:
    """Return the event of DELETE /api/sessions/{id}."""
    return _event("DELETE", session_id, "", sub)


def _event(method: str, session_id: str, verb: str, sub: str | None) -> dict[str, Any]:
    path = f"/api/sessions/{session_id}"
    claims = {"sub": sub or speaker(session_id)}
    return api_event(method, path + verb, claims=claims, path_parameters={"id": session_id})
