"""The `results` table: one row a job, written by the storing and the watermarking stage; and who may have it whole."""

from dataclasses import dataclass
from datetime import datetime

from inlet import analytics, database, outbox_table
from inlet.errors import ResultNotFound, ResultNotReady, UploadNotFound
from inlet.identifiers import result_id_for
from inlet.image_jobs.rows import Job, Status

_STORE = """
INSERT INTO results (id, upload_id, full_key, content_type, width, height)
SELECT %(result_id)s, id, %(full_key)s, %(content_type)s, %(width)s, %(height)s
  FROM uploads WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'processing'
   FOR KEY SHARE -- or it could be gone before the result refers to it
ON CONFLICT (upload_id) DO NOTHING
"""

_PREVIEW = """
UPDATE results SET preview_key = %(preview_key)s, preview_width = %(width)s, preview_height = %(height)s
  FROM uploads
 WHERE results.upload_id = %(id)s AND preview_key IS NULL
   AND uploads.id = results.upload_id AND uploads.attempt = %(attempt)s AND uploads.status = 'processing'
"""

_GET = """
SELECT results.id, results.full_key, results.preview_key, results.preview_width, results.preview_height,
       uploads.session_token_hash AS token_hash, uploads.status, uploads.released_at IS NOT NULL AS released,
       uploads.delete_after AS deletes_at
  FROM results JOIN uploads ON uploads.id = results.upload_id
 WHERE results.id = %(id)s
"""


_RELEASE = f"""
WITH released AS (
    UPDATE uploads SET released_at = now(), updated_at = now()
     WHERE id = %(id)s AND status = 'completed' AND released_at IS NULL
    RETURNING id
), {outbox_table.record("released")}
SELECT status = 'completed' AS completed FROM uploads WHERE id = %(id)s
"""


@dataclass(frozen=True, slots=True)
class Preview:
    """Where the watermarked preview lies, and its size in pixels."""

    key: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ResultRow:
    """A result as its owner's request sees it."""

    id: str
    full_key: str
    preview_key: str | None
    preview_width: int | None
    preview_height: int | None
    token_hash: str
    status: Status
    released: bool
    deletes_at: datetime | None

    def preview(self) -> Preview:
        """Return the preview. Raise `ResultNotReady` until the job is completed."""
        if self.status != "completed" or not (self.preview_key and self.preview_width and self.preview_height):
            raise ResultNotReady
        return Preview(self.preview_key, self.preview_width, self.preview_height)


def store(job: Job, *, full_key: str, content_type: str, width: int, height: int) -> None:
    """Record the full-size picture. The first record stands."""
    database.execute(
        _STORE,
        {
            "result_id": result_id_for(job.upload_id),
            "id": job.upload_id,
            "attempt": job.attempt,
            "full_key": full_key,
            "content_type": content_type,
            "width": width,
            "height": height,
        },
    )


def add_preview(job: Job, *, preview_key: str, width: int, height: int) -> None:
    """Record the preview. The first record stands."""
    database.execute(
        _PREVIEW,
        {
            "id": job.upload_id,
            "attempt": job.attempt,
            "preview_key": preview_key,
            "width": width,
            "height": height,
        },
    )


def get(result_id: str) -> ResultRow:
    """Return the result with its upload's token hash and status. Raise `ResultNotFound`."""
    if result := database.fetch_one_as(ResultRow, _GET, {"id": result_id}):
        return result
    raise ResultNotFound


def release(upload_id: str) -> None:
    """Let the job's owner have the full-size result. Repeated, it changes nothing.

    Raises `UploadNotFound`, and `ResultNotReady` until the job is completed.
    """
    event = analytics.result_released(upload_id, result_id=result_id_for(upload_id))
    job = database.fetch_one(_RELEASE, {"id": upload_id, "events": outbox_table.parameter(event)})
    if job is None:
        raise UploadNotFound
    if not job["completed"]:
        raise ResultNotReady
