"""POST /api/upload: reserve an upload; the answer says where to PUT the file and holds the token that owns the job."""

from inlet import answers, api, authentication, identifiers, keys, limits, storage
from inlet.errors import (
    FileTooLarge,
    IdempotencyInProgress,
    IdempotencyMismatch,
    LimitExceeded,
    UnsupportedType,
    ValidationFailed,
)
from inlet.image_jobs import uploads_table
from inlet.image_jobs.messages import EXTENSION_OF, ReservedUpload, UploadRequest
from inlet.settings import settings

app = api.resolver(answers.Family.IMAGE_JOBS)


@app.post(
    "/api/upload",
    status_code=201,
    responses=answers.documented(
        app.family,
        {201: ReservedUpload},
        UnsupportedType,
        FileTooLarge,
        ValidationFailed,
        LimitExceeded,
        IdempotencyMismatch,
        IdempotencyInProgress,
    ),
)
def create_upload(upload: UploadRequest) -> ReservedUpload:
    """Reserve an upload: where to PUT the image, with which headers, and the token that owns the job."""
    extension = EXTENSION_OF.get(upload.type)
    if extension is None:
        raise UnsupportedType(f"Please upload one of {', '.join(EXTENSION_OF)}.")
    if upload.size is not None and upload.size > settings.max_image_bytes:
        raise FileTooLarge(f"The image may have at most {settings.max_image_bytes} bytes.")
    network = authentication.client_network(app.event)
    limits.require("upload", network, limit=settings.uploads_per_hour, window_seconds=limits.HOUR_SECONDS)

    upload_id, token = identifiers.new_upload_id(), identifiers.new_session_token()
    key = keys.original(upload_id, extension)
    signed = storage.presign_put(key, content_type=upload.type, size=upload.size, sha256=upload.sha256)
    uploads_table.reserve(
        upload_id,
        email=upload.email,
        token_hash=identifiers.token_hash(token),
        key=key,
        content_type=upload.type,
        size=upload.size,
        sha256=upload.sha256,
    )
    return ReservedUpload(
        upload_url=signed.url,
        upload_id=upload_id,
        key=key,
        expires_at=signed.expires_at,
        session_token=token,
        headers=signed.headers,
    )


lambda_handler = app.lambda_handler
