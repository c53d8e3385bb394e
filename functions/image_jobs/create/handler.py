"""POST /api/upload: reserve an upload, and say where to PUT the image."""

from inlet import api, authentication, identifiers, keys, limits, logs, storage
from inlet.answers import Family
from inlet.errors import FileTooLarge, LimitExceeded, UnsupportedType
from inlet.image_jobs import uploads_table
from inlet.image_jobs.messages import ReservedUpload, UploadRequest
from inlet.image_jobs.rows import EXTENSION_OF
from inlet.limits import Limit
from inlet.settings import settings

app = api.Resolver(Family.IMAGE_JOBS)


def _limit(event: api.Event) -> Limit:
    """Return the limit of the client's networks: an IPv6 /56 may send three times a /64's uploads, a /48 ten times."""
    networks = zip(authentication.client_networks(event), (1, 3, 10), strict=False)
    subjects = [(network, times * settings.uploads_per_hour) for network, times in networks]
    return Limit.of("upload", subjects, window_seconds=limits.HOUR_SECONDS)


@app.post(
    "/api/upload",
    status=201,
    guard=lambda event: _limit(event).check(),
    raises=[UnsupportedType, FileTooLarge, LimitExceeded],
)
def create_upload(upload: UploadRequest) -> ReservedUpload:
    """Reserve an upload.

    Returns a presigned PUT for the image, valid 15 minutes, with the headers the client must send, and the job token.
    The token owns the job: keep it, and send it as `X-Session-Token`.
    """
    extension = EXTENSION_OF.get(upload.type)
    if extension is None:
        raise UnsupportedType(f"Please upload one of {', '.join(EXTENSION_OF)}.")
    if upload.size is not None and upload.size > settings.max_image_bytes:
        raise FileTooLarge(f"The image may have at most {settings.max_image_bytes} bytes.")
    _limit(app.event).require()

    upload_id, token = identifiers.new_upload_id(), identifiers.new_token()
    logs.about(upload_id=upload_id)
    key = keys.original(upload_id, extension)
    signed = storage.presign_put(key, content_type=upload.type, size=upload.size, sha256=upload.sha256)
    uploads_table.reserve(
        upload_id,
        email=upload.email,
        sender_hash=authentication.sender_hash(app.event),
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
