"""POST /api/upload/{uploadId}/confirm: the bytes are there; pin exactly what was stored."""

from inlet import answers, api, authentication, storage
from inlet.errors import (
    AlreadyConfirmed,
    IdempotencyInProgress,
    IdempotencyMismatch,
    NotUploaded,
    ObjectMissing,
    StorageUnavailable,
    Unauthorized,
    UploadMismatch,
    UploadNotFound,
    VerificationFailed,
)
from inlet.image_jobs import uploads_table
from inlet.image_jobs.messages import ConfirmedUpload
from inlet.settings import settings

app = api.resolver(answers.Family.IMAGE_JOBS)


@app.post(
    "/api/upload/<upload_id>/confirm",
    security=api.OPTIONAL_SESSION_TOKEN,
    responses=answers.documented(
        app.family,
        {200: ConfirmedUpload},
        Unauthorized,
        UploadNotFound,
        AlreadyConfirmed,
        NotUploaded,
        UploadMismatch,
        VerificationFailed,
        IdempotencyMismatch,
        IdempotencyInProgress,
    ),
)
def confirm_upload(upload_id: str) -> ConfirmedUpload:
    """Verify that the object is there and is what was declared, and pin it. The token is optional but must match."""
    upload = uploads_table.get(upload_id)
    if token := authentication.session_token(app.event):
        authentication.check_session_token(token, upload.session_token_hash)
    if upload.etag is not None:
        raise AlreadyConfirmed
    try:
        stored = storage.head(upload.key)
        try:
            upload.expect(stored, max_bytes=settings.max_image_bytes)
        except UploadMismatch:
            storage.delete(upload.key)
            raise
    except ObjectMissing as error:
        raise NotUploaded from error
    except StorageUnavailable as error:
        raise VerificationFailed from error
    uploads_table.confirm(upload_id, stored)
    return ConfirmedUpload(job_id=upload_id)


lambda_handler = app.lambda_handler
