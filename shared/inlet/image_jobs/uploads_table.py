"""The `uploads` table as the API's endpoints change it: reserve, confirm, start. `jobs_table` has it from there."""

from typing import TYPE_CHECKING

from inlet import analytics, database, model_budget_table, outbox_table
from inlet.errors import AlreadyConfirmed, BudgetSpent, UploadNotFound
from inlet.image_jobs import retention_table
from inlet.image_jobs.rows import Upload
from inlet.times import iso_utc

if TYPE_CHECKING:
    from inlet.storage import StoredObject

UNCONFIRMED_SECONDS = 24 * 3600
"""How long an upload of a declared size may stay unconfirmed before the sweeper drops it."""
UNBOUNDED_SECONDS = 15 * 60 + 3600
"""The same where nothing bounds what the bucket takes: an hour after the URL to PUT it expired."""

_RESERVE = f"""
WITH reserved AS (
    INSERT INTO uploads
           (id, email, sender_hash, session_token_hash, original_url, content_type, size, sha256, expires_at)
    VALUES (%(id)s, %(email)s, %(sender_hash)s, %(token_hash)s, %(key)s, %(content_type)s, %(size)s, %(sha256)s,
            now() + make_interval(secs => %(seconds)s))
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), {outbox_table.record("reserved")}
SELECT id FROM reserved
"""

_GET = """
SELECT id, session_token_hash AS token_hash, original_url AS key, content_type, size, status, attempt, etag,
       final, error_message
  FROM uploads WHERE id = %(id)s
"""

_CONFIRM = f"""
WITH confirmed AS (
    UPDATE uploads
       SET etag = %(etag)s, size = %(size)s, confirmed_at = now(), updated_at = now(), expires_at = NULL,
           delete_after = now() + make_interval(days => %(days)s)
     WHERE id = %(id)s AND confirmed_at IS NULL
    RETURNING id
), {outbox_table.record("confirmed")}
SELECT id FROM confirmed
"""

# A second PUT under the URL may follow: the row, and with it the object, is dropped soon after the URL has expired.
_REFUSE = """
UPDATE uploads SET expires_at = least(expires_at, created_at + make_interval(secs => %(seconds)s))
 WHERE id = %(id)s AND confirmed_at IS NULL
"""

_START = f"""
WITH {model_budget_table.SPENT}, started AS (
    UPDATE uploads
       SET status = 'processing', stage = NULL, progress = 0, error_message = NULL, attempt = %(attempt)s,
           workflow_run_id = %(workflow_run_id)s, processing_at = now(), updated_at = now(), delete_after = NULL
     WHERE id = %(id)s AND confirmed_at IS NOT NULL AND attempt = %(seen_attempt)s AND status = %(seen_status)s
       AND status IN ('pending', 'failed') AND NOT EXISTS (SELECT FROM spent)
    RETURNING id
), {outbox_table.record("started")}
SELECT EXISTS (SELECT FROM started) AS started, (SELECT window_end FROM spent) AS spent_until,
       (SELECT seconds_left FROM spent) AS seconds_left
"""

_RELEASE = """
UPDATE uploads
   SET status = 'pending', updated_at = now(), delete_after = now() + make_interval(days => %(days)s)
 WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'processing' AND stage IS NULL
"""

_DROP_UNCONFIRMED = """
WITH dropped AS (
    DELETE FROM uploads WHERE id = ANY(ARRAY(
        SELECT id FROM uploads WHERE confirmed_at IS NULL AND expires_at < now()
         ORDER BY expires_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING original_url
)
INSERT INTO object_deletions (key) SELECT original_url FROM dropped ON CONFLICT (key) DO NOTHING
"""


def reserve(
    upload_id: str,
    *,
    email: str,
    sender_hash: str,
    token_hash: str,
    key: str,
    content_type: str,
    size: int | None,
    sha256: str | None,
) -> None:
    """Create the record, status `pending`, with the id and the key chosen by the caller."""
    recorded = outbox_table.parameter(analytics.upload_started(upload_id), analytics.session_created(upload_id))
    database.fetch_one(
        _RESERVE,
        {
            "id": upload_id,
            "email": email,
            "sender_hash": sender_hash,
            "token_hash": token_hash,
            "key": key,
            "content_type": content_type,
            "size": size,
            "sha256": sha256,
            "seconds": UNBOUNDED_SECONDS if size is None else UNCONFIRMED_SECONDS,
            "events": recorded,
        },
    )


def get(upload_id: str) -> Upload:
    """Return the upload. Raise `UploadNotFound`."""
    if upload := database.fetch_one_as(Upload, _GET, {"id": upload_id}):
        return upload
    raise UploadNotFound


def confirm(upload_id: str, stored: "StoredObject") -> None:
    """Pin the stored object. Of racing callers one wins; the others get `AlreadyConfirmed`.

    Raises `UploadNotFound` where the sweeper was first.
    """
    event = analytics.upload_confirmed(upload_id, file_size=stored.size, file_type=stored.content_type)
    parameters = {
        "id": upload_id,
        "etag": stored.etag,
        "size": stored.size,
        "days": retention_table.days(),
        "events": outbox_table.parameter(event),
    }
    if database.fetch_one(_CONFIRM, parameters) is None:
        get(upload_id)
        raise AlreadyConfirmed


def refuse(upload_id: str) -> None:
    """Record that the stored object was not the declared one, and was deleted."""
    database.execute(_REFUSE, {"id": upload_id, "seconds": UNBOUNDED_SECONDS})


def start(upload: Upload, attempt: int, workflow_run_id: str) -> bool:
    """Move the job, as it was seen, to `processing`. Return False if another caller was first.

    While it is processed, no time is set to delete it. Raises `BudgetSpent` when the day's model calls are used up,
    and then changes nothing.
    """
    event = analytics.processing_started(upload.id, workflow_run_id=workflow_run_id)
    parameters = {
        "id": upload.id,
        "attempt": attempt,
        "seen_attempt": upload.attempt,
        "seen_status": upload.status,
        "workflow_run_id": workflow_run_id,
        "events": outbox_table.parameter(event),
        "budget": model_budget_table.calls_per_day(),
    }
    row = database.fetch_one(_START, parameters)
    assert row is not None  # noqa: S101 - a row without FROM is always there
    if row["spent_until"]:
        raise BudgetSpent(retry_after_seconds=row["seconds_left"], next_allowed_at=iso_utc(row["spent_until"]))
    return bool(row["started"])


def release(upload_id: str, attempt: int) -> None:
    """Make a job whose workflow could not be started startable again, unless a stage has begun after all."""
    database.execute(_RELEASE, {"id": upload_id, "attempt": attempt, "days": retention_table.days()})


def drop_unconfirmed(limit: int) -> int:
    """Drop up to `limit` uploads that were never confirmed in time, and note their objects for deletion."""
    return database.execute(_DROP_UNCONFIRMED, {"limit": limit})
