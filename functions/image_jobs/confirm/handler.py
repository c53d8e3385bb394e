"""POST /api/upload/{uploadId}/confirm: check that the bytes arrived, and pin exactly what was stored."""

from inlet import api, authentication, metrics, storage
from inlet.answers import Family
from inlet.errors import (
    AlreadyConfirmed,
    NotUploaded,
    ObjectMissing,
    StorageUnavailable,
    UploadMismatch,
    UploadNotFound,
    VerificationFailed,
)
from inlet.image_jobs import state, uploads_table
from inlet.image_jobs.messages import ConfirmedUpload
from inlet.image_jobs.rows import Upload
from inlet.settings import settings

app = api.Resolver(Family.IMAGE_JOBS, publish=state.publish)


def _require_right(event: api.Event, upload_id: str) -> Upload:
    upload = uploads_table.get(upload_id)
    if token := authentication.job_token(event):
        authentication.check_job_token(token, upload.token_hash)
    return upload


@app.post(
    "/api/upload/<upload_id>/confirm",
    security=api.OPTIONAL_JOB_TOKEN,
    guard=_require_right,
    raises=[UploadNotFound, AlreadyConfirmed, NotUploaded, UploadMismatch, VerificationFailed],
)
def confirm_upload(upload_id: str) -> ConfirmedUpload:
    """Confirm an upload.

    Checks that the bucket has the image with the declared type and size, and pins it: later reads take exactly these
    bytes. An image that differs is deleted. The token is optional here, but must match when it is sent.
    """
    upload = _require_right(app.event, upload_id)
    if upload.etag is not None:
        raise AlreadyConfirmed
    try:
        stored = storage.head(upload.key)
        if not upload.agrees_with(stored, max_bytes=settings.max_image_bytes):
            storage.delete(upload.key)
            uploads_table.refuse(upload_id)
            raise UploadMismatch
    except ObjectMissing as error:
        raise NotUploaded from error
    except StorageUnavailable as error:
        raise VerificationFailed from error
    uploads_table.confirm(upload_id, stored)
    metrics.put({"BytesConfirmed": stored.size}, family="image_jobs")
    return ConfirmedUpload(job_id=upload_id)


lambda_handler = app.lambda_handler
