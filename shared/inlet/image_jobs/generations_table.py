"""The `generations` table: the image workflow's calls of the model. `model_calls` has the rules of the ledger."""

from inlet.image_jobs.rows import Job
from inlet.model_calls import Call, Ledger

STEP = "generating"

_JOB = """
    SELECT id, attempt, sender_hash FROM uploads
     WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'processing'
       FOR KEY SHARE -- or it could be gone before the ledger refers to it"""

_AHEAD = """
    SELECT FROM job
      JOIN uploads AS other ON other.sender_hash = job.sender_hash AND other.id <> job.id
                           AND other.status = 'processing'
      JOIN generations AS call ON call.upload_id = other.id AND call.attempt = other.attempt AND call.state = 'calling'
     WHERE call.updated_at > now() - make_interval(secs => %(call_seconds)s)"""

LEDGER = Ledger("generations", "upload_id", job=_JOB, ahead=_AHEAD)


def call_for(job: Job) -> Call:
    """Return the call that a job's picture takes."""
    return Call(job.upload_id, job.attempt, STEP)
