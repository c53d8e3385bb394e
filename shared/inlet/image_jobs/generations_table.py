"""The ledger of model calls. Each call is billed, so no attempt calls again while an earlier call's outcome is unknown.

When a worker dies in or after the call, its row stays `calling`. A retry that finds it, and no bytes in the bucket,
ends the attempt instead of paying twice. A refusal (429, 5xx) costs nothing and may be retried; a time-out may have
been billed and is retried once.
"""

from inlet import database, identifiers
from inlet.errors import GenerationInterrupted, GenerationTimedOut, StaleAttempt
from inlet.image_jobs.rows import Job

MAX_TIMEOUTS = 2

_CLAIM = """
WITH claimed AS (
    INSERT INTO generations AS held (upload_id, attempt, claim, state)
    SELECT id, attempt, %(claim)s, 'calling' FROM uploads
     WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'processing'
    ON CONFLICT (upload_id, attempt) DO UPDATE
       SET state = 'calling', claim = excluded.claim, calls = held.calls + 1, updated_at = now()
     WHERE held.state = 'refused' OR (held.state = 'timed_out' AND held.timeouts < %(max_timeouts)s)
        OR held.claim = excluded.claim
    RETURNING true AS won, state
)
SELECT won, state FROM claimed
UNION ALL
SELECT false, state FROM generations
 WHERE upload_id = %(id)s AND attempt = %(attempt)s AND NOT EXISTS (SELECT FROM claimed)
"""

_OUTCOME = """
UPDATE generations SET state = %(state)s, timeouts = timeouts + (%(state)s = 'timed_out')::integer, updated_at = now()
 WHERE upload_id = %(id)s AND attempt = %(attempt)s AND state = 'calling'
"""


def claim(job: Job) -> None:
    """Enter in the ledger that the model is about to be called.

    Raises `StaleAttempt`, `GenerationTimedOut` or `GenerationInterrupted` when this attempt must not call (again).
    """
    parameters = {
        "id": job.upload_id,
        "attempt": job.attempt,
        "claim": identifiers.new_uuid(),
        "max_timeouts": MAX_TIMEOUTS,
    }
    row = database.fetch_one(_CLAIM, parameters)
    if row is None:
        raise StaleAttempt
    if row["won"]:
        return
    raise GenerationTimedOut if row["state"] == "timed_out" else GenerationInterrupted


def refused(job: Job) -> None:
    """Record that the model refused without billing."""
    _outcome(job, "refused")


def timed_out(job: Job) -> None:
    """Record that the model did not answer in time. It may bill."""
    _outcome(job, "timed_out")


def generated(job: Job) -> None:
    """Record that the model's bytes are in the bucket."""
    _outcome(job, "generated")


def _outcome(job: Job, state: str) -> None:
    database.execute(_OUTCOME, {"id": job.upload_id, "attempt": job.attempt, "state": state})
