"""The `uploads` table as the workflow changes it: stages, progress, the end. Attempt and progress fence each change."""

from inlet import analytics, database, keys, notifications_table, object_deletions_table, outbox_table
from inlet.errors import StaleAttempt
from inlet.executions import Silent
from inlet.identifiers import result_id_for
from inlet.image_jobs import retention_table
from inlet.image_jobs.rows import Job, Stage, StatusRow

SILENT_SECONDS = 10
"""A job that has not moved for this long is asked about: its start may be lost, its execution dead or forgotten. To ask
about one that is well changes nothing."""

_STATUS = """
SELECT session_token_hash AS token_hash, status, stage, progress, error_message, updated_at, revision,
       delete_after AS deletes_at
  FROM uploads WHERE id = %(id)s
"""

# The sampled poll: the same read, and an event in the same round trip, if the token is the right one. Its UUID lets a
# state be recorded once a minute, however often it is polled; a job nobody has started is not recorded.
_STATUS_SAMPLED = f"""
WITH job AS ({_STATUS}
), recorded AS (
    INSERT INTO outbox_events (uuid, name, distinct_id, properties)
    SELECT md5(concat_ws(' ', 'status_poll', %(id)s::text, stage, progress, date_trunc('minute', now())))::uuid,
           'status_poll', %(id)s, jsonb_build_object('upload_id', %(id)s::text, 'stage', stage, 'progress', progress)
      FROM job WHERE token_hash = %(token_hash)s AND status <> 'pending'
    ON CONFLICT (uuid) DO NOTHING
)
SELECT * FROM job
"""

# `progress` is the job's before this statement: a task that comes late recognises itself by it.
_ENTER = """
WITH advanced AS (
    UPDATE uploads SET status = 'processing', stage = %(stage)s, progress = %(progress)s, updated_at = now(),
           delete_after = NULL
     WHERE id = %(id)s AND attempt = %(attempt)s AND status IN ('pending', 'processing') AND progress < %(progress)s
)
SELECT uploads.id AS upload_id, uploads.attempt, uploads.original_url AS key, uploads.content_type, uploads.etag,
       uploads.sha256, uploads.progress, results.full_key
  FROM uploads LEFT JOIN results ON results.upload_id = uploads.id
 WHERE uploads.id = %(id)s AND uploads.attempt = %(attempt)s AND uploads.status <> 'failed'
"""

_ADVANCE = """
UPDATE uploads SET progress = %(progress)s, updated_at = now()
 WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'processing' AND progress < %(progress)s
"""

_COMPLETE = f"""
WITH completed AS (
    UPDATE uploads
       SET status = 'completed', stage = 'complete', progress = 100, updated_at = now(),
           result_url = results.full_key, preview_url = results.preview_key, sender_hash = NULL,
           delete_after = now() + make_interval(days => %(days)s)
      FROM results
     WHERE uploads.id = %(id)s AND attempt = %(attempt)s AND status = 'processing'
       AND results.upload_id = uploads.id AND results.preview_key IS NOT NULL
    RETURNING uploads.id, uploads.status, uploads.revision, results.id AS result_id,
              round(extract(epoch FROM now() - processing_at) * 1000)::bigint AS milliseconds
), {outbox_table.record("completed", "jsonb_build_object('total_duration_ms', milliseconds)")}
, {notifications_table.record("image_job.completed", "completed", added="jsonb_build_object('resultId', result_id)")}
, work AS (
    SELECT key, now() + make_interval(secs => {retention_table.STILL_WRITING_SECONDS}) AS writable_until
      FROM completed, unnest(%(work)s::text[]) AS key
), {object_deletions_table.noted("work")}
SELECT milliseconds FROM completed
"""

_FAIL = f"""
WITH failing AS (
    SELECT id, stage, progress FROM uploads
     WHERE id = %(id)s AND attempt = %(attempt)s AND attempt > 0 AND status IN ('pending', 'processing') FOR UPDATE
), failed AS (
    UPDATE uploads SET status = 'failed', stage = 'failed', error_message = %(message)s, final = %(final)s,
           updated_at = now(), delete_after = now() + make_interval(days => %(days)s)
      FROM failing WHERE uploads.id = failing.id
    RETURNING uploads.id, uploads.status, uploads.revision,
              failing.stage AS final_stage, failing.progress AS final_progress
), {outbox_table.record("failed", "jsonb_build_object('final_stage', final_stage, 'final_progress', final_progress)")}
, {notifications_table.record("image_job.failed", "failed")}
SELECT final_progress FROM failed
"""

_SILENT = """
SELECT id AS subject_id, attempt, workflow_run_id AS execution FROM uploads
 WHERE status = 'processing' AND id > %(after)s AND (%(until)s::text IS NULL OR id <= %(until)s)
   AND updated_at < now() - make_interval(secs => %(silent)s)
 ORDER BY id LIMIT %(limit)s
"""

_MOVED = """
UPDATE uploads SET workflow_run_id = %(execution)s
 WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'processing'
"""


def status(upload_id: str) -> StatusRow | None:
    """Return what a status poll answers with: one row of one table, one round trip."""
    return database.fetch_one_as(StatusRow, _STATUS, {"id": upload_id})


def status_sampled(upload_id: str, token_hash: str) -> StatusRow | None:
    """Return the same and record a `status_poll` event, still in one round trip."""
    return database.fetch_one_as(StatusRow, _STATUS_SAMPLED, {"id": upload_id, "token_hash": token_hash})


def enter(upload_id: str, attempt: int, stage: Stage, progress: int) -> Job:
    """Move the job forward into a stage, never backward, and read what the stage needs, in one statement.

    A job whose start was thought lost (`pending` again) is `processing` from here on. Raises `StaleAttempt` when the
    job has failed, is gone, or runs as another attempt.
    """
    parameters = {"id": upload_id, "attempt": attempt, "stage": stage, "progress": progress}
    if job := database.fetch_one_as(Job, _ENTER, parameters):
        return job
    raise StaleAttempt


def advance(job: Job, progress: int) -> None:
    """Move the progress within a stage, never backward."""
    database.execute(_ADVANCE, {"id": job.upload_id, "attempt": job.attempt, "progress": progress})


def complete(job: Job) -> bool:
    """Complete the job, and note what lay between its stages for deletion.

    Returns False, and does nothing, if it is completed, or if its preview is not stored.
    """
    event = analytics.status_complete(job.upload_id, result_id=result_id_for(job.upload_id))
    parameters = {
        "id": job.upload_id,
        "attempt": job.attempt,
        "days": retention_table.days(),
        "work": [keys.model_input(job.upload_id), keys.generated(job.upload_id)],
        "events": outbox_table.parameter(event),
    }
    return database.fetch_one(_COMPLETE, parameters) is not None


def fail(upload_id: str, attempt: int, message: str, final: bool = False) -> bool:
    """Fail the job, which keeps its last progress; a final failure is not processed again.

    Returns False, and does nothing, if the attempt is over already.
    """
    parameters = {
        "id": upload_id,
        "attempt": attempt,
        "message": message,
        "final": final,
        "days": retention_table.days_of_failed(),
        "events": outbox_table.parameter(analytics.status_failed(upload_id)),
    }
    return database.fetch_one(_FAIL, parameters) is not None


def silent(after: str, until: str | None, limit: int) -> list[Silent]:
    """Return jobs that have been processing without moving for too long, by id: after `after`, and up to `until`."""
    rows = database.fetch_all(
        _SILENT,
        {"after": after, "until": until, "silent": SILENT_SECONDS, "limit": limit},
    )
    return [Silent(**row) for row in rows]


def moved(job: Silent, execution: str) -> None:
    """Record that the job runs as another execution, since its state machine was replaced before it started."""
    database.execute(_MOVED, {"id": job.subject_id, "attempt": job.attempt, "execution": execution})
