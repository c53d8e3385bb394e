"""The ledger of model calls. Each call is billed, so no attempt calls again while an earlier call's outcome is unknown.

When a worker dies in or after the call, its row stays `calling`. A retry that finds it, and no bytes in the bucket,
ends the attempt instead of paying twice. A refusal (429, 5xx) costs nothing and may be retried; a time-out may have
been billed and is retried once.

A call is also held to the day's budget of the whole stack, and to its sender's turn. One that must wait comes later.
"""

from inlet import database, identifiers, model_budget_table
from inlet.errors import (
    GenerationInterrupted,
    GenerationOverBudget,
    GenerationQueued,
    GenerationTimedOut,
    StaleAttempt,
)
from inlet.image_jobs.rows import Job
from inlet.logs import logger

MAX_TIMEOUTS = 2
CALLS_AT_ONCE = 2
"""How many calls of one sender may be under way at once: one sender never makes all others wait."""
CALL_SECONDS = 240
"""How long a call counts as under way: as long as the workflow waits for its task."""

# One statement claims a call: the ledger permits it, the sender has not as many under way as it may, the day has calls
# left. `held` is the ledger's row as it stands; `own` says that this very claim was made before its answer was lost.
_CLAIM = f"""
WITH {model_budget_table.SPENT}, job AS (
    SELECT id, attempt, sender_hash FROM uploads
     WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'processing'
       FOR KEY SHARE -- or it could be gone before the ledger refers to it
), held AS (
    SELECT state, claim = %(claim)s AS own,
           state = 'refused' OR (state = 'timed_out' AND timeouts < %(max_timeouts)s) OR claim = %(claim)s AS free
      FROM generations WHERE upload_id = %(id)s AND attempt = %(attempt)s
), ahead AS (
    SELECT FROM job
      JOIN uploads AS other ON other.sender_hash = job.sender_hash AND other.id <> job.id
                           AND other.status = 'processing'
      JOIN generations AS call ON call.upload_id = other.id AND call.attempt = other.attempt AND call.state = 'calling'
     WHERE call.updated_at > now() - make_interval(secs => %(call_seconds)s)
     LIMIT 1 OFFSET %(calls_at_once)s - 1
), due AS (
    SELECT FROM job WHERE coalesce((SELECT free AND NOT own FROM held), true) AND NOT EXISTS (SELECT FROM ahead)
), {model_budget_table.counted("due")}, claimed AS (
    INSERT INTO generations AS ledger (upload_id, attempt, claim, state)
    SELECT id, attempt, %(claim)s, 'calling' FROM job
     WHERE EXISTS (SELECT FROM counted) OR (SELECT own FROM held)
    ON CONFLICT (upload_id, attempt) DO UPDATE
       SET state = 'calling', claim = excluded.claim, calls = ledger.calls + 1, updated_at = now()
     WHERE ledger.state = 'refused' OR (ledger.state = 'timed_out' AND ledger.timeouts < %(max_timeouts)s)
        OR ledger.claim = excluded.claim
    RETURNING true
)
SELECT EXISTS (SELECT FROM claimed) AS won, (SELECT state FROM held WHERE NOT free) AS standing,
       EXISTS (SELECT FROM ahead) AS queued,
       EXISTS (SELECT FROM due) AND NOT EXISTS (SELECT FROM counted) AS over_budget,
       (SELECT count FROM counted) AS calls_today
  FROM job
"""

_OUTCOME = """
UPDATE generations SET state = %(state)s, timeouts = timeouts + (%(state)s = 'timed_out')::integer, updated_at = now()
 WHERE upload_id = %(id)s AND attempt = %(attempt)s AND state = 'calling'
"""


def claim(job: Job) -> None:
    """Enter in the ledger that the model is about to be called.

    Raises `GenerationQueued` or `GenerationOverBudget` when the call must wait, and `StaleAttempt`,
    `GenerationTimedOut` or `GenerationInterrupted` when this attempt must not call (again).
    """
    budget = model_budget_table.calls_per_day()
    row = database.fetch_one(
        _CLAIM,
        {
            "id": job.upload_id,
            "attempt": job.attempt,
            "claim": identifiers.new_uuid(),
            "max_timeouts": MAX_TIMEOUTS,
            "calls_at_once": CALLS_AT_ONCE,
            "call_seconds": CALL_SECONDS,
            "budget": budget,
        },
    )
    if row is None:
        raise StaleAttempt
    if row["won"]:
        if row["calls_today"] == -(-budget // 2):
            logger.warning("half of today's model calls are used", extra={"calls": row["calls_today"], "of": budget})
        return
    if row["standing"]:
        raise GenerationTimedOut if row["standing"] == "timed_out" else GenerationInterrupted
    if row["queued"]:
        raise GenerationQueued
    raise GenerationOverBudget if row["over_budget"] else StaleAttempt  # another worker was first


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
