"""Every five minutes: finish what was left half-way. Idempotent, and two sweepers at once do no harm.

Every minute, with `{"only": ["reconcile_jobs", …]}`: the steps that people wait for.

Each step has its share of the time, so a backlog of one starves no other, and what it leaves comes with a later run. A
step that fails keeps none from its work, and fails the run in the end: the alarm sees a run that failed, and no log.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from inlet import (
    background,
    backlog_table,
    deliverer,
    deployment_table,
    idempotency_keys_table,
    identifiers,
    live_table,
    metrics,
    notifications_table,
    object_deletions_table,
    outbox_table,
    rate_limits_table,
    storage,
    topics,
    workflow,
)
from inlet.deadline import Deadline
from inlet.errors import InletError, StorageUnavailable, WorkflowUnavailable
from inlet.executions import Silent
from inlet.image_jobs import jobs_table, retention_table, uploads_table
from inlet.image_jobs.rows import PROCESSING_FAILED
from inlet.logs import logger
from inlet.settings import settings
from inlet.speaking_sessions import analyses_table, speaking_sessions_table, users_table
from inlet.speaking_sessions.rows import ANALYSIS_FAILED
from inlet.upload_sessions import cleanup, endings_table
from inlet.workflow import ANALYSE_RECORDING, PROCESS_IMAGE, Workflow

BATCH = 100
RESERVE_SECONDS = 30
"""How long before its end a run begins nothing more: longer than any call takes."""
MOST_ASKED = 500
"""How many executions a run asks about: half of what Step Functions answers an account in a minute."""
DEAD_EXECUTION = "DeadExecution"
"""Why a job failed whose execution has ended without a word: it timed out, or even its last stage failed."""
_DEAD = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"})

type Counts = Counter[str]


class SweepIncomplete(InletError):
    """Steps failed; the log says why. The others have done their work."""


@background.function
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Reconcile jobs with the workflow, end what was abandoned, delete objects without rows. Return counts by name."""
    deployment_table.refuse_foreign()
    deadline = Deadline.of(context, reserve_seconds=RESERVE_SECONDS)
    counts: Counts = Counter(dict.fromkeys(COUNTED, 0))
    failed = []
    steps = [step for step in STEPS if step.__name__ in event.get("only", [step.__name__])]
    for number, step in enumerate(steps):
        try:
            step(counts, deadline.share(len(steps) - number))
        except Exception as error:  # noqa: BLE001 - it is logged, and raised below
            background.log(error)
            failed.append(step.__name__)
        topics.publish()
    logger.info("sweep", extra=dict(counts))
    if any(counts[name] for name in TOLD):
        deliverer.wake()
    if failed:
        raise SweepIncomplete(", ".join(failed))
    if "only" not in event:
        metrics.put({"RunsFinished": 1}, operation="sweep")
    return counts


@dataclass(frozen=True)
class Reconciled:
    """A workflow's rows: which have been silent, which moved to another state machine, which have failed."""

    workflow: Workflow
    silent: Callable[[str, str | None, int], list[Silent]]
    moved: Callable[[Silent, str], None]
    fail: Callable[[str, int, str], bool]
    words: str
    anywhere: Callable[[], str]
    first: str

    def rows(self) -> Iterator[Silent]:
        """Yield the silent rows in the order of their ids, round from anywhere."""
        beginning = self.anywhere()
        for after, until in ((beginning, None), (self.first, beginning)):
            while batch := self.silent(after, until, BATCH):
                yield from batch
                after = batch[-1].subject_id

    def reconcile(self, row: Silent, counts: Counts) -> None:
        """Ask the execution that the row names: a state machine may have been replaced while its executions run."""
        expected = self.workflow.execution_arn(row.subject_id, row.attempt)
        status = workflow.status(row.execution or expected)
        if status is None:
            self.workflow.start(row.subject_id, row.attempt)
            counts["started"] += 1
            if row.execution != expected:
                self.moved(row, expected)
        elif status in _DEAD and self.fail(row.subject_id, row.attempt, self.words):
            counts["failed"] += 1
            metrics.job_failed(self.workflow.subject.workflow, DEAD_EXECUTION)


IMAGE_JOBS = Reconciled(
    PROCESS_IMAGE,
    jobs_table.silent,
    jobs_table.moved,
    jobs_table.fail,
    PROCESSING_FAILED,
    anywhere=identifiers.new_upload_id,
    first="",
)
ANALYSES = Reconciled(
    ANALYSE_RECORDING,
    analyses_table.silent,
    analyses_table.moved,
    analyses_table.fail,
    ANALYSIS_FAILED,
    anywhere=identifiers.new_uuid,
    first="00000000-0000-0000-0000-000000000000",
)


def _reconcile(reconciled: Reconciled, counts: Counts, deadline: Deadline) -> None:
    failure = None
    for row in islice(reconciled.rows(), MOST_ASKED):
        try:
            reconciled.reconcile(row, counts)
        except WorkflowUnavailable as error:
            failure = error
        if deadline.passed:
            break
    if failure:
        raise failure


def reconcile_jobs(counts: Counts, deadline: Deadline) -> None:
    """Start jobs that were never started, and fail those whose execution is dead. One that runs or waits is left alone.

    Begins anywhere in their order: when they are many, or time is short, no job is always the last.
    """
    _reconcile(IMAGE_JOBS, counts, deadline)


def reconcile_analyses(counts: Counts, deadline: Deadline) -> None:
    """Do the same for recordings."""
    if settings.analysis != "off":
        _reconcile(ANALYSES, counts, deadline)


def expire_sessions(counts: Counts, deadline: Deadline) -> None:
    """Expire overdue sessions in batches. Skip those another transaction has locked."""
    while not deadline.passed and (count := endings_table.expire_overdue(BATCH)):
        counts["expired"] += count


def purge_sessions(counts: Counts, deadline: Deadline) -> None:
    """Delete what ended upload sessions left in the bucket. What the bucket refuses now comes again in five minutes."""
    failure = None
    while not deadline.passed and (ended := endings_table.to_purge(BATCH)):
        for session in ended:
            try:
                cleanup.remove(session)
                counts["purged"] += 1
            except StorageUnavailable as error:
                failure = error
            if deadline.passed:
                break
    if failure:
        raise failure


def delete_objects(counts: Counts, deadline: Deadline) -> None:
    """Delete objects whose rows are gone. What the bucket refuses now comes again in five minutes."""
    refused = 0
    while not deadline.passed and (due := object_deletions_table.due(storage.DELETED_AT_ONCE)):
        kept = storage.delete_many(due)
        object_deletions_table.done([key for key in due if key not in kept])
        counts["objects"] += len(due) - len(kept)
        refused += len(kept)
    if refused:
        raise StorageUnavailable(f"Storage refused to delete {refused} objects")


def measure_backlog(_counts: Counts, _deadline: Deadline) -> None:
    """Measure what this and the other scheduled functions have left undone."""
    metrics.put(asdict(backlog_table.measure()))


def _emptying(name: str, work: Callable[[int], int]) -> Callable[[Counts, Deadline], None]:
    """Return the step that repeats `work` until a batch comes back short."""

    def step(counts: Counts, deadline: Deadline) -> None:
        count = BATCH
        while count == BATCH and not deadline.passed:
            count = work(BATCH)
            counts[name] += count

    step.__name__ = name
    return step


STEPS = (
    reconcile_jobs,
    reconcile_analyses,
    _emptying("unconfirmed", uploads_table.drop_unconfirmed),
    _emptying("overdue", retention_table.delete_overdue),
    _emptying("unrecorded", speaking_sessions_table.drop_abandoned),
    expire_sessions,
    _emptying("due_sessions", endings_table.delete_due),
    _emptying("due_recordings", speaking_sessions_table.delete_due),
    _emptying("forgotten", users_table.drop_forgotten),
    purge_sessions,
    _emptying("tombstones", endings_table.drop_tombstones),
    delete_objects,
    _emptying("limits", rate_limits_table.purge),
    _emptying("answers", idempotency_keys_table.purge),
    _emptying("events", outbox_table.purge),
    _emptying("notifications", notifications_table.purge),
    _emptying("tickets", live_table.sweep_tickets),
    _emptying("connections", live_table.sweep_connections),
    measure_backlog,
)
TOLD = ("failed", "overdue", "expired", "due_sessions", "due_recordings")
"""What the owner's backend learns of."""
COUNTED = (
    *("started", "failed", "unconfirmed", "overdue", "unrecorded", "expired"),
    *("due_sessions", "due_recordings", "forgotten", "tombstones"),
    *("purged", "objects", "limits", "answers", "events", "notifications"),
    *("tickets", "connections"),
)
