"""The `results` table: one row a job, written by the storing and the watermarking stage."""

from dataclasses import dataclass

from inlet import database
from inlet.errors import ResultNotFound, ResultNotReady
from inlet.identifiers import result_id_for
from inlet.image_jobs.rows import Job, Status

_STORE = """
INSERT INTO results (id, upload_id, full_key, content_type, width, height)
SELECT %(result_id)s, id, %(full_key)s, %(content_type)s, %(width)s, %(height)s
  FROM uploads WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'processing'
ON CONFLICT (upload_id) DO NOTHING
"""

_PREVIEW = """
UPDATE results SET preview_key = %(preview_key)s, preview_width = %(width)s, preview_height = %(height)s
  FROM uploads
 WHERE results.upload_id = %(id)s AND preview_key IS NULL
   AND uploads.id = results.upload_id AND uploads.attempt = %(attempt)s AND uploads.status = 'processing'
"""

_GET = """
SELECT results.id, results.preview_key, results.preview_width, results.preview_height,
       uploads.session_token_hash AS token_hash, uploads.status
  FROM results JOIN uploads ON uploads.id = results.upload_id
 WHERE results.id = %(id)s
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
    preview_key: str | None
    preview_width: int | None
    preview_height: int | None
    token_hash: str
    status: Status

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
