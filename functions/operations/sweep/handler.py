"""Every five minutes: finish what was left half-way. Idempotent, and two sweepers at once do no harm."""

from collections.abc import Callable
from typing import Any

from inlet import (
    deployment_table,
    idempotency_keys_table,
    object_deletions_table,
    outbox_table,
    rate_limits_table,
    storage,
    workflow,
)
from inlet.errors import StorageUnavailable, WorkflowUnavailable
from inlet.image_jobs import jobs_table, uploads_table
from inlet.image_jobs.rows import PROCESSING_FAILED
from inlet.logs import logger
from inlet.speaking_sessions import speaking_sessions_table
from inlet.upload_sessions import cleanup, upload_sessions_table

BATCH = 100
_DEAD = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"})


def lambda_handler(_event: dict[str, Any], _context: Any) -> dict[str, int]:
    """Reconcile jobs with the workflow, end what was abandoned, delete objects without rows. Return counts by name."""
    deployment_table.refuse_foreign()
    counts = reconcile_jobs()
    counts["unconfirmed"] = _in_batches(uploads_table.drop_unconfirmed)
    counts["unrecorded"] = _in_batches(speaking_sessions_table.drop_abandoned)
    counts["expired"] = expire_sessions()
    counts["purged"] = purge_sessions()
    counts["objects"] = delete_objects()
    counts["limits"] = _in_batches(rate_limits_table.purge)
    counts["answers"] = _in_batches(idempotency_keys_table.purge)
    counts["events"] = _in_batches(outbox_table.purge)
    logger.info("sweep", extra=counts)
    return counts


def reconcile_jobs() -> dict[str, int]:
    """Start jobs that were never started, and fail those whose execution is dead. A running one is left alone."""
    counts = {"started": 0, "failed": 0}
    after = ""
    while batch := jobs_table.silent(after, BATCH):
        for job in batch:
            try:
                status = workflow.status(job.upload_id, job.attempt)
                if status is None:
                    workflow.start(job.upload_id, job.attempt)
                    counts["started"] += 1
                elif status in _DEAD:
                    counts["failed"] += jobs_table.fail(job.upload_id, job.attempt, PROCESSING_FAILED)
            except WorkflowUnavailable as error:
                logger.warning("workflow unavailable", extra={"upload_id": job.upload_id, "reason": str(error)})
                return counts
        after = batch[-1].upload_id
    return counts


def expire_sessions() -> int:
    """Expire overdue sessions in batches. Skip those another transaction has locked."""
    expired = 0
    while count := upload_sessions_table.expire_overdue(BATCH):
        expired += count
    return expired


def purge_sessions() -> int:
    """Delete what ended upload sessions left in the bucket. What the bucket refuses now comes again in five minutes."""
    purged = 0
    while ended := upload_sessions_table.to_purge(BATCH):
        for session in ended:
            try:
                cleanup.remove(session)
            except StorageUnavailable as error:
                logger.warning("storage unavailable", extra={"session_id": session.id, "reason": str(error)})
                return purged
            purged += 1
    return purged


def delete_objects() -> int:
    """Delete objects whose rows are gone. What the bucket refuses now comes again in five minutes."""
    deleted = 0
    while due := object_deletions_table.due(BATCH):
        for key in due:
            try:
                storage.delete(key)
            except StorageUnavailable as error:
                logger.warning("storage unavailable", extra={"reason": str(error)})
                return deleted
            object_deletions_table.done(key)
            deleted += 1
    return deleted


def _in_batches(work: Callable[[int], int]) -> int:
    """Repeat until a batch comes back short. Return the total."""
    total = 0
    while (count := work(BATCH)) == BATCH:
        total += count
    return total + count
