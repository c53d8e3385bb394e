"""What the owner of an image job sees of it: the answer to a status poll, which is also what is pushed."""

from inlet import live
from inlet.errors import UploadNotFound
from inlet.identifiers import result_id_for
from inlet.image_jobs import jobs_table
from inlet.image_jobs.rows import JobStatus, StatusRow
from inlet.live import Readers
from inlet.times import iso_utc


def of(upload_id: str, row: StatusRow) -> JobStatus:
    """Return the job's status as its row has it."""
    status: JobStatus = {
        "success": True,
        "status": row.status,
        "stage": row.stage,
        "progress": row.progress,
        "resultId": result_id_for(upload_id) if row.status == "completed" else None,
        "revision": row.revision,
        "updatedAt": iso_utc(row.updated_at),
    }
    if row.deletes_at:
        status["deletesAt"] = iso_utc(row.deletes_at)
    if row.status == "failed" and row.error_message:
        status["errorMessage"] = row.error_message
    return status


def read(upload_id: str, _user: str | None) -> JobStatus:
    """Read a job's status. Raise `UploadNotFound`."""
    if row := jobs_table.status(upload_id):
        return of(upload_id, row)
    raise UploadNotFound


LIVE: Readers = {"image_job": read}


def publish() -> None:
    """Tell those who watch what this function has changed. Never fails."""
    live.publish(LIVE)
