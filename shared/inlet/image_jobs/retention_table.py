"""The `uploads` table as jobs are kept, and deleted: by their owner, or when the time that was promised is over.

One statement drops the row, and with it its result and its ledger, and notes every object that the job may have. A
stage that is under way meets a fence, and what it still writes is deleted at a second look.
"""

import json
from typing import Any, Literal

from inlet import analytics, database, keys, notifications_table, object_deletions_table, outbox_table
from inlet.errors import UploadNotFound
from inlet.image_jobs.rows import EXTENSION_OF
from inlet.settings import settings

STILL_WRITING_SECONDS = 300
"""How long after a deletion a stage may still write: longer than any may run."""
LATE_PUT_SECONDS = 3600 + 15 * 60
"""How long after its reservation a client may still write: a URL valid 15 minutes, and a slow PUT."""
FAILED_DAYS = 7
"""How long a failed job is kept at most. It may be processed again meanwhile."""

_CHOSEN_BY_OWNER = "SELECT id FROM uploads WHERE id = ANY(%(ids)s)"

_OVERDUE = """
SELECT id, original_url AS key FROM uploads
 WHERE delete_after < now() AND status <> 'processing' ORDER BY delete_after LIMIT %(limit)s
"""

# Looked at again: a job may have been taken up since it was found.
_STILL_OVERDUE = """
SELECT id FROM uploads
 WHERE id = ANY(%(ids)s) AND delete_after < now() AND status <> 'processing' FOR UPDATE SKIP LOCKED"""


def _deleting(chosen: str) -> str:
    return f"""
WITH deleted AS (
    DELETE FROM uploads WHERE id = ANY(ARRAY({chosen}))
    RETURNING id, revision + 1 AS revision, original_url, created_at
), objects AS (
    SELECT object.key,
           CASE WHEN object.key = deleted.original_url
                THEN deleted.created_at + make_interval(secs => {LATE_PUT_SECONDS})
                ELSE now() + make_interval(secs => {STILL_WRITING_SECONDS}) END AS writable_until
      FROM deleted JOIN jsonb_to_recordset(%(objects)s::jsonb) AS object (upload_id text, key text)
        ON object.upload_id = deleted.id
), {object_deletions_table.noted("objects")}, {outbox_table.record_each("deleted", named_by="upload_id")}
, {notifications_table.record("image_job.deleted", "deleted", status="'deleted'")}
SELECT id FROM deleted
"""


_DELETE = _deleting(_CHOSEN_BY_OWNER)
_DELETE_OVERDUE = _deleting(_STILL_OVERDUE)


def days() -> int | None:
    """Return how long a job is kept once it is confirmed or completed. None: for ever."""
    return settings.image_retention_days or None


def days_of_failed() -> int | None:
    """Return how long a failed job is kept. None: for ever."""
    return min(settings.image_retention_days, FAILED_DAYS) or None


def delete(upload_id: str, key: str) -> list[str]:
    """Delete a job, whatever it is doing. Return the keys of the objects it may have; `key` is its original's.

    Raises `UploadNotFound` where another caller was first.
    """
    objects = _objects(upload_id, key)
    if not database.fetch_all(_DELETE, _parameters({upload_id: objects}, "owner")):
        raise UploadNotFound
    return objects


def delete_overdue(limit: int) -> int:
    """Delete up to `limit` jobs whose time is over. One that is processed again meanwhile stays."""
    found = database.fetch_all(_OVERDUE, {"limit": limit})
    if not found:
        return 0
    objects = {row["id"]: _objects(row["id"], row["key"]) for row in found}
    return len(database.fetch_all(_DELETE_OVERDUE, _parameters(objects, "retention")))


def _objects(upload_id: str, key: str) -> list[str]:
    return keys.of_image_job(upload_id, key, EXTENSION_OF.values())


def _parameters(objects: dict[str, list[str]], reason: Literal["owner", "retention"]) -> dict[str, Any]:
    events = (analytics.upload_deleted(upload_id, reason=reason) for upload_id in objects)
    return {
        "ids": list(objects),
        "objects": json.dumps([{"upload_id": one, "key": key} for one, its in objects.items() for key in its]),
        "events": outbox_table.parameter(*events),
    }
