"""Image jobs halted wherever a client or a stage would go on.

Ids and tokens are derived from the examples' names and stand in events/ in full; they guard nothing, for the bucket and
the database are this machine's.
"""

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inlet import identifiers, imaging, keys
from local import picture
from local_aws.cloudformation import ACCOUNT, REGION

if TYPE_CHECKING:
    import psycopg
    from mypy_boto3_s3 import S3Client

# The sweeper would finish or drop half-way examples. In this far future it starts to care.
FAR = "2100-01-01T00:00:00Z"


@dataclass(frozen=True)
class SeededJob:
    """An image job halted where a client or a stage would go on. `progress` also tells which objects exist."""

    name: str
    status: str
    stage: str | None = None
    progress: int = 0
    confirmed: bool = True

    @property
    def upload_id(self) -> str:
        """A cuid2's shape: a letter and 23 letters or digits."""
        return f"seed{self.name:0<20}"

    @property
    def token(self) -> str:
        """The X-Session-Token that owns it."""
        return base64.urlsafe_b64encode(hashlib.sha256(f"seed {self.name}".encode()).digest()).rstrip(b"=").decode()

    @property
    def attempt(self) -> int:
        """None was begun while the job is pending."""
        return 0 if self.status == "pending" else 1

    @property
    def has_full(self) -> bool:
        """Whether the full-size result is stored."""
        return self.progress >= 80

    @property
    def has_preview(self) -> bool:
        """Whether the preview is stored."""
        return self.progress >= 90


JOBS = [
    SeededJob("unconfirmed", "pending", confirmed=False),
    SeededJob("confirmed", "pending"),
    SeededJob("validate", "processing"),
    SeededJob("generate", "processing", "validating", 10),
    SeededJob("store", "processing", "generating", 70),
    SeededJob("watermark", "processing", "storing", 80),
    SeededJob("complete", "processing", "watermarking", 90),
    SeededJob("fail", "processing", "generating", 30),
    SeededJob("completed", "completed", "complete", 100),
    SeededJob("delete", "completed", "complete", 100),
]

_UPLOAD = """
INSERT INTO uploads (id, email, session_token_hash, original_url, result_url, preview_url, status, stage, progress,
                     attempt, workflow_run_id, content_type, size, etag, confirmed_at, processing_at, updated_at,
                     expires_at)
VALUES (%(id)s, 'seed@example.com', %(token_hash)s, %(original)s, %(full)s, %(preview)s, %(status)s, %(stage)s,
        %(progress)s, %(attempt)s, %(run)s, 'image/jpeg', %(size)s, %(etag)s,
        CASE WHEN %(etag)s::text IS NOT NULL THEN now() END, CASE WHEN %(attempt)s > 0 THEN now() END, %(updated_at)s,
        %(expires_at)s)
"""

_RESULT = """
INSERT INTO results (id, upload_id, full_key, content_type, width, height, preview_key, preview_width, preview_height)
VALUES (%(result_id)s, %(id)s, %(full_key)s, 'image/jpeg', %(width)s, %(height)s, %(preview_key)s, %(preview_width)s,
        %(preview_height)s)
"""


def seed(connection: "psycopg.Connection[Any]", storage: "S3Client", bucket: str) -> None:
    """Put every job back to where it halted."""
    original = picture.jpeg()
    preview = imaging.preview(original)
    for job in JOBS:
        etag = _put_objects(storage, bucket, job, original, preview)
        _put_rows(connection, job, len(original), etag, preview)


def _put_objects(storage: "S3Client", bucket: str, job: SeededJob, original: bytes, preview: imaging.Preview) -> str:
    """Store the objects that exist at the job's progress, and no others; return the original's ETag."""
    stored = storage.put_object(
        Bucket=bucket, Key=keys.original(job.upload_id, "jpg"), Body=original, ContentType="image/jpeg"
    )
    later = {
        keys.model_input(job.upload_id): (original, "image/jpeg", job.status == "processing" and job.progress >= 10),
        keys.generated(job.upload_id): (original, "image/jpeg", job.progress == 70),
        keys.full(job.upload_id, "jpg"): (original, "image/jpeg", job.has_full),
        keys.preview(job.upload_id): (preview.content, "image/webp", job.has_preview),
    }
    for key, (content, content_type, exists) in later.items():
        if exists:
            storage.put_object(Bucket=bucket, Key=key, Body=content, ContentType=content_type)
        else:
            storage.delete_object(Bucket=bucket, Key=key)
    return stored["ETag"].strip('"')


def _put_rows(
    connection: "psycopg.Connection[Any]", job: SeededJob, size: int, etag: str, preview: imaging.Preview
) -> None:
    completed = job.status == "completed"
    width, height = picture.SIZE
    row = {
        "id": job.upload_id,
        "token_hash": identifiers.token_hash(job.token),
        "original": keys.original(job.upload_id, "jpg"),
        "full": keys.full(job.upload_id, "jpg") if completed else None,
        "preview": keys.preview(job.upload_id) if completed else None,
        "status": job.status,
        "stage": job.stage,
        "progress": job.progress,
        "attempt": job.attempt,
        "run": f"arn:aws:states:{REGION}:{ACCOUNT}:execution:seed:{job.upload_id}-1" if job.attempt else None,
        "size": size,
        "etag": etag if job.confirmed else None,
        "updated_at": FAR if job.status == "processing" else "now",
        "expires_at": None if job.confirmed else FAR,
        "result_id": identifiers.result_id_for(job.upload_id),
        "full_key": keys.full(job.upload_id, "jpg"),
        "width": width,
        "height": height,
        "preview_key": keys.preview(job.upload_id) if job.has_preview else None,
        "preview_width": preview.width if job.has_preview else None,
        "preview_height": preview.height if job.has_preview else None,
    }
    connection.execute("DELETE FROM uploads WHERE id = %(id)s", row)
    connection.execute(_UPLOAD, row)
    if job.has_full:
        connection.execute(_RESULT, row)
