"""The ledger of paid model calls, for every workflow that makes them.

Each call is billed, so no attempt calls again while an earlier call's outcome is unknown. When a worker dies in or
after the call, its row stays `calling`. A retry that finds it, and no bytes in the bucket, ends the attempt instead of
paying twice. A refusal (429, 5xx) costs nothing and may be retried; a time-out may be billed and is retried once.

A call is also held to the day's budget of the whole stack, and to its owner's turn. One that must wait comes later.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

from inlet import database, identifiers, metrics, model_budget_table
from inlet.errors import (
    GenerationBlocked,
    GenerationInterrupted,
    GenerationMalformed,
    GenerationOverBudget,
    GenerationQueued,
    GenerationTimedOut,
    GenerationUnavailable,
    StaleAttempt,
)
from inlet.logs import logger

MAX_TIMEOUTS = 2
CALLS_AT_ONCE = 2
"""How many calls of one owner may be under way at once: nobody makes all others wait."""
CALL_SECONDS = 240
"""How long a call counts as under way: as long as the workflow waits for its task."""

# One statement claims a call: the ledger permits it, its owner has not as many under way as they may, the day has calls
# left. `held` is the ledger's row as it stands; `own` says that this very claim was made before its answer was lost.
_CLAIM = """
WITH {spent}, job AS ({job}
), held AS (
    SELECT state, claim = %(claim)s AS own,
           state = 'refused' OR (state = 'timed_out' AND timeouts < %(max_timeouts)s) OR claim = %(claim)s AS free
      FROM {table} WHERE {subject} = %(id)s AND attempt = %(attempt)s AND step = %(step)s
), ahead AS ({ahead}
     LIMIT 1 OFFSET %(calls_at_once)s - 1
), due AS (
    SELECT FROM job WHERE coalesce((SELECT free AND NOT own FROM held), true) AND NOT EXISTS (SELECT FROM ahead)
), {counted}, claimed AS (
    INSERT INTO {table} AS ledger ({subject}, attempt, step, claim, state)
    SELECT id, attempt, %(step)s, %(claim)s, 'calling' FROM job
     WHERE EXISTS (SELECT FROM counted) OR (SELECT own FROM held)
    ON CONFLICT ({subject}, attempt, step) DO UPDATE
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
UPDATE {table} SET state = %(state)s, timeouts = timeouts + (%(state)s = 'timed_out')::integer, updated_at = now()
 WHERE {subject} = %(id)s AND attempt = %(attempt)s AND step = %(step)s AND state = 'calling'
"""


@dataclass(frozen=True)
class Call:
    """A paid call: of whom, in which attempt, for what."""

    subject_id: str
    attempt: int
    step: str


class Ledger:
    """The calls of one workflow, in `table`, whose column `subject` refers to the rows that the calls are for.

    `job` selects the row of `%(id)s` as `id` and `attempt`, if that attempt runs, and locks it; `ahead` selects the
    other calls of the same owner that are under way. All are constants of the families' table modules.
    """

    def __init__(
        self, table: LiteralString, subject: LiteralString, *, job: LiteralString, ahead: LiteralString
    ) -> None:
        names = {"table": table, "subject": subject}
        spent, counted = model_budget_table.SPENT, model_budget_table.counted("due")
        self._claim = _CLAIM.format(**names, spent=spent, counted=counted, job=job, ahead=ahead)
        self._outcome = _OUTCOME.format(**names)

    def claim(self, call: Call) -> None:
        """Enter in the ledger that the model is about to be called.

        Raises `GenerationQueued` or `GenerationOverBudget` when the call must wait, and `StaleAttempt`,
        `GenerationTimedOut` or `GenerationInterrupted` when this attempt must not call (again).
        """
        budget = model_budget_table.calls_per_day()
        parameters = {
            **_key(call),
            "claim": identifiers.new_uuid(),
            "max_timeouts": MAX_TIMEOUTS,
            "calls_at_once": CALLS_AT_ONCE,
            "call_seconds": CALL_SECONDS,
            "budget": budget,
        }
        row = database.fetch_one(self._claim, parameters)
        if row is None:
            raise StaleAttempt
        if row["won"]:
            if row["calls_today"] is not None:
                metrics.put({"ModelBudgetUsed": 100 * row["calls_today"] / budget})
            if row["calls_today"] == -(-budget // 2):
                logger.warning(
                    "half of today's model calls are used", extra={"calls": row["calls_today"], "of": budget}
                )
            return
        if row["standing"]:
            raise GenerationTimedOut if row["standing"] == "timed_out" else GenerationInterrupted
        if row["queued"]:
            raise GenerationQueued
        raise GenerationOverBudget if row["over_budget"] else StaleAttempt  # another worker was first

    @contextmanager
    def paid(self, call: Call, dollars: float) -> Iterator[None]:
        """Claim a call, and record what comes of it. `dollars` is what the settings say it costs.

        Raises what `claim` and the call do. The caller records `answered` when the answer is in the bucket.
        """
        self.claim(call)
        begun = time.monotonic()
        billed = 0.0
        try:
            yield
            billed = dollars
        except GenerationUnavailable:
            self._enter(call, "refused")
            raise
        except GenerationTimedOut:  # it may bill
            billed = dollars
            self._enter(call, "timed_out")
            raise
        except (GenerationBlocked, GenerationMalformed):
            billed = dollars
            raise
        finally:
            measured = {"ModelCalls": 1, "ModelSeconds": time.monotonic() - begun, "ModelDollars": billed}
            metrics.put(measured, step=call.step)

    def answered(self, call: Call) -> None:
        """Record that what the model answered is in the bucket."""
        self._enter(call, "generated")

    def _enter(self, call: Call, state: str) -> None:
        database.execute(self._outcome, {**_key(call), "state": state})


def _key(call: Call) -> dict[str, str | int]:
    return {"id": call.subject_id, "attempt": call.attempt, "step": call.step}
