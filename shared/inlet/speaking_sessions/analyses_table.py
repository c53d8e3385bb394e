"""The `speaking_sessions` table as the analysis changes it: start, stages, the end. Attempt and progress fence each
change.

An analysis begins with the row: a recording that has arrived is `UPLOADED` with an attempt, and its execution's name
follows from both. Whoever starts it may die before; the sweeper starts it then.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inlet import database, notifications_table, object_deletions_table, outbox_table
from inlet.authentication import User
from inlet.errors import StaleAttempt
from inlet.executions import Silent
from inlet.model_calls import Call, Ledger
from inlet.speaking_sessions.rows import STILL_WRITING_SECONDS, Analysis, AnalysisStage

MAX_ATTEMPTS = 3
SILENT_SECONDS = 10
"""An analysis that has not moved for so long is asked about: its start may be lost, its execution dead or forgotten."""

_ENTER = f"""
WITH advanced AS (
    UPDATE speaking_sessions SET status = 'PROCESSING', stage = %(stage)s, progress = %(progress)s, updated_at = now()
     WHERE id = %(id)s AND attempt = %(attempt)s AND status IN ('UPLOADED', 'PROCESSING') AND progress < %(progress)s
    RETURNING id, attempt, user_id
), started AS (
    SELECT id, attempt, user_id FROM advanced WHERE %(stage)s = 'preparing'
), {outbox_table.record_of_user("recording_analysis_started", "started")}
SELECT id::text AS session_id, attempt, audio_key AS key, language, progress
  FROM speaking_sessions WHERE id = %(id)s AND attempt = %(attempt)s AND status <> 'FAILED'
"""

_ADVANCE = """
UPDATE speaking_sessions SET progress = %(progress)s, updated_at = now()
 WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'PROCESSING' AND progress < %(progress)s
"""

_COMPLETE = f"""
WITH completed AS (
    UPDATE speaking_sessions AS session
       SET status = 'COMPLETED', stage = 'complete', progress = 100, updated_at = now(), metrics = %(metrics)s::jsonb,
           duration_secs = %(duration_secs)s
     WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'PROCESSING'
    RETURNING id, status, revision, attempt, user_id
), written AS (
    INSERT INTO transcripts (session_id, text, language, engine, segments)
    SELECT id, text, language, engine, segments
      FROM completed, jsonb_to_record(%(transcript)s::jsonb)
           AS transcript (text text, language text, engine text, segments jsonb)
     WHERE text IS NOT NULL
    ON CONFLICT (session_id) DO NOTHING
), told AS (
    INSERT INTO insights (session_id, category, severity, message, suggestion, start_secs)
    SELECT id, category, severity, message, suggestion, start_secs
      FROM completed, jsonb_to_recordset(%(insights)s::jsonb)
           AS insight (category text, severity text, message text, suggestion text, start_secs double precision)
), {outbox_table.record_of_user("recording_analysis_completed", "completed")}
, {notifications_table.record("speaking_session.completed", "completed")}
, work AS (
    SELECT key, now() + make_interval(secs => {STILL_WRITING_SECONDS}) AS writable_until
      FROM completed, unnest(%(work)s::text[]) AS key
), {object_deletions_table.noted("work")}
SELECT id FROM completed
"""

_FAIL = f"""
WITH failed AS (
    UPDATE speaking_sessions
       SET status = 'FAILED', stage = 'failed', error_message = %(message)s, final = %(final)s, updated_at = now()
     WHERE id = %(id)s AND attempt = %(attempt)s AND attempt > 0 AND status IN ('UPLOADED', 'PROCESSING')
    RETURNING id, status, revision, attempt, user_id
), {outbox_table.record_of_user("recording_analysis_failed", "failed")}
, {notifications_table.record("speaking_session.failed", "failed")}
SELECT id FROM failed
"""

_AGAIN = f"""
UPDATE speaking_sessions AS session
   SET status = 'UPLOADED', stage = NULL, progress = 0, error_message = NULL, attempt = attempt + 1,
       workflow_run_id = %(execution)s, updated_at = now()
  FROM users
 WHERE session.id = %(id)s AND users.id = session.user_id AND users.external_id = %(sub)s
   AND session.status = 'FAILED' AND NOT session.final AND session.attempt < {MAX_ATTEMPTS}
   AND session.attempt = %(seen_attempt)s
RETURNING session.attempt
"""

_SILENT = """
SELECT id::text AS subject_id, attempt, workflow_run_id AS execution FROM speaking_sessions
 WHERE status IN ('UPLOADED', 'PROCESSING') AND attempt > 0
   AND id > %(after)s::uuid AND (%(until)s::uuid IS NULL OR id <= %(until)s::uuid)
   AND updated_at < now() - make_interval(secs => %(silent)s)
 ORDER BY id LIMIT %(limit)s
"""

_MOVED = """
UPDATE speaking_sessions SET workflow_run_id = %(execution)s
 WHERE id = %(id)s AND attempt = %(attempt)s AND status IN ('UPLOADED', 'PROCESSING')
"""

_JOB = """
    SELECT id, attempt, user_id FROM speaking_sessions
     WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'PROCESSING'
       FOR KEY SHARE -- or it could be gone before the ledger refers to it"""

_AHEAD = """
    SELECT FROM job
      JOIN speaking_sessions AS other ON other.user_id = job.user_id AND other.id <> job.id
                                     AND other.status = 'PROCESSING'
      JOIN speech_calls AS call ON call.session_id = other.id AND call.attempt = other.attempt
                               AND call.state = 'calling'
     WHERE call.updated_at > now() - make_interval(secs => %(call_seconds)s)"""

LEDGER = Ledger("speech_calls", "session_id", job=_JOB, ahead=_AHEAD)


@dataclass(frozen=True, slots=True)
class Told:
    """What an analysis tells, as JSON of the columns: `transcript` is None where nobody could write one down."""

    duration_secs: float
    transcript: dict[str, Any] | None
    metrics: dict[str, Any]
    insights: Sequence[dict[str, Any]]


def enter(session_id: str, attempt: int, stage: AnalysisStage, progress: int) -> Analysis:
    """Move the analysis forward into a stage, never backward, and read what the stage needs, in one statement.

    Raises `StaleAttempt` when it has failed, is gone, or runs as another attempt.
    """
    parameters = {"id": session_id, "attempt": attempt, "stage": stage, "progress": progress}
    if analysis := database.fetch_one_as(Analysis, _ENTER, parameters):
        return analysis
    raise StaleAttempt


def advance(analysis: Analysis, progress: int) -> None:
    """Move the progress within a stage, never backward."""
    database.execute(_ADVANCE, {"id": analysis.session_id, "attempt": analysis.attempt, "progress": progress})


def complete(analysis: Analysis, told: Told, work: Sequence[str]) -> bool:
    """Complete the analysis, and note what lay between its stages for deletion.

    Returns False, and does nothing, if it is over.
    """
    parameters = {
        "id": analysis.session_id,
        "attempt": analysis.attempt,
        "duration_secs": told.duration_secs,
        "transcript": json.dumps(told.transcript or {}),
        "metrics": json.dumps(told.metrics),
        "insights": json.dumps(list(told.insights)),
        "work": list(work),
    }
    return database.fetch_one(_COMPLETE, parameters) is not None


def fail(session_id: str, attempt: int, message: str, final: bool = False) -> bool:
    """Fail the analysis, which keeps its last progress; a final failure is not tried again.

    Returns False, and does nothing, if the attempt is over already.
    """
    parameters = {
        "id": session_id,
        "attempt": attempt,
        "message": message,
        "final": final,
    }
    return database.fetch_one(_FAIL, parameters) is not None


def again(user: User, session_id: str, seen_attempt: int, execution: str | None) -> bool:
    """Let a failed analysis begin again, as the execution. Return False if another call was first."""
    parameters = {"id": session_id, "sub": user.sub, "seen_attempt": seen_attempt, "execution": execution}
    return database.fetch_one(_AGAIN, parameters) is not None


def silent(after: str, until: str | None, limit: int) -> list[Silent]:
    """Return analyses that have not moved for too long, by id: after `after`, and up to `until`."""
    parameters = {"after": after, "until": until, "silent": SILENT_SECONDS, "limit": limit}
    return [Silent(**row) for row in database.fetch_all(_SILENT, parameters)]


def moved(one: Silent, execution: str) -> None:
    """Record that the analysis runs as another execution, since its state machine was replaced before it started."""
    parameters = {"id": one.subject_id, "attempt": one.attempt, "execution": execution}
    database.execute(_MOVED, parameters)


def call_for(analysis: Analysis, step: str) -> Call:
    """Return the paid call that a stage makes."""
    return Call(analysis.session_id, analysis.attempt, step)
