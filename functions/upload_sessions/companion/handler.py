"""Companion's S3 routes, so that stock Uppy can send a session's files.

GET /api/mocs/uploads/sessions/{sessionId}/companion/{token}/s3/params: refuse a form.
POST /api/mocs/uploads/sessions/{sessionId}/companion/{token}/s3/multipart: register a file.
GET /api/mocs/uploads/sessions/{sessionId}/companion/{token}/s3/multipart/{uploadId}: list its parts.
GET /api/mocs/uploads/sessions/{sessionId}/companion/{token}/s3/multipart/{uploadId}/{partNumber}: sign a part.
POST /api/mocs/uploads/sessions/{sessionId}/companion/{token}/s3/multipart/{uploadId}/complete: complete the file.
DELETE /api/mocs/uploads/sessions/{sessionId}/companion/{token}/s3/multipart/{uploadId}: withdraw the file.

A dialect of the same session: file by file, it does what the other endpoints do. It is one function because it is one
protocol, designed elsewhere, and no route of it is of use without the others. Uppy sends no Authorization header, so
the path carries the capability that the session was created with. It opens this session only, dies with it after a
short grace for a lost answer, and never hands out a way to read. Creating, finalizing and aborting the session stay
with the signed-in page.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from inlet import api, multipart_uploads, storage
from inlet.answers import Family
from inlet.errors import (
    OF_A_SESSION_FILE,
    OF_AN_UPLOAD_SESSION,
    FileAlreadyCompleted,
    FileNotDeclared,
    InletError,
    MultipartOnly,
    MultipartUploadGone,
    PartsMismatch,
    SessionFileNotFound,
    UploadLost,
    UploadSessionNotFound,
)
from inlet.upload_sessions import completion, files_table, guards, registration, state, upload_sessions_table
from inlet.upload_sessions.companion_messages import (
    CompletedUpload,
    ListedPart,
    MultipartCompletion,
    MultipartRequest,
    MultipartUpload,
    SignedPart,
)
from inlet.upload_sessions.rules import RULES

app = api.Resolver(Family.UPLOAD_SESSIONS, publish=state.publish)

S3 = "/api/mocs/uploads/sessions/<session_id>/companion/<token>/s3"


@contextmanager
def _without_a_way_to_read() -> Iterator[None]:
    """Leave a completed file's URL out of the refusal, which the signed-in endpoints put in."""
    try:
        yield
    except FileAlreadyCompleted:
        raise FileAlreadyCompleted from None


@app.get(f"{S3}/params", replies={}, raises=[UploadSessionNotFound, MultipartOnly])
def companion_form(session_id: str, token: str) -> MultipartUpload:
    """Refuse a form (Uppy).

    Always 400: set `shouldUseMultipart: true`. Uppy would not report that a form's upload has ended, and R2 takes none.
    """
    upload_sessions_table.get_for_companion(session_id, token)
    raise MultipartOnly


@app.post(f"{S3}/multipart", guard=guards.require_capability, raises=[*OF_AN_UPLOAD_SESSION, FileNotDeclared])
def companion_begin(session_id: str, token: str, request: MultipartRequest) -> MultipartUpload:
    """Register a file (Uppy).

    Opens the upload of the declared file with this name and type.
    """
    session = upload_sessions_table.get_for_companion(session_id, token)
    [registered] = registration.register(session, [session.declared_as(request.filename, request.type)])
    if isinstance(registered, InletError):
        raise registered
    return MultipartUpload(key=registered.file.key, upload_id=registered.file.id)


@app.get(f"{S3}/multipart/<upload_id>", raises=[*OF_AN_UPLOAD_SESSION, SessionFileNotFound, UploadLost])
def companion_list(session_id: str, token: str, upload_id: str) -> list[ListedPart]:
    """List a file's parts (Uppy).

    Returns the parts that the bucket has. A completed file lists every part, so a client that missed the completion
    reply can complete again.
    """
    session = upload_sessions_table.get_for_companion(session_id, token)
    slot, file = session.slot_of(upload_id)
    every = slot.parts(session.part_size_bytes, first=1, limit=RULES.max_parts)
    try:
        completion.require_incomplete(slot, file)
        session.require_active()
        try:
            uploaded = list(
                multipart_uploads.uploaded_parts(file.key, file.multipart_upload_id, first=1, last=len(every))
            )
        except MultipartUploadGone as gone:
            raise completion.outcome(session, slot, file) from gone
        files_table.seen(session, file, uploaded)
    except FileAlreadyCompleted:
        return [ListedPart(part_number=number, size=size, etag="completed") for number, size in every]
    return [ListedPart(part_number=part.number, size=part.size, etag=part.etag) for part in uploaded]


@app.get(f"{S3}/multipart/<upload_id>/<part_number>", raises=[*OF_A_SESSION_FILE, PartsMismatch])
def companion_sign(session_id: str, token: str, upload_id: str, part_number: int) -> SignedPart:
    """Sign a part (Uppy).

    Returns a presigned PUT of one part.
    """
    session = upload_sessions_table.get_for_companion(session_id, token)
    slot, file = session.slot_of(upload_id)
    with _without_a_way_to_read():
        completion.require_incomplete(slot, file)
    session.require_active()
    parts = slot.parts(session.part_size_bytes, first=part_number, limit=1) if part_number > 0 else []
    if not parts:
        raise PartsMismatch(expectedParts=slot.part_count(session.part_size_bytes))
    seconds_left = files_table.seen(session, file, [])
    if seconds_left is None:
        with _without_a_way_to_read():
            raise completion.settled(session, file)
    url = registration.sign_part(file, *parts[0], seconds_left)
    return SignedPart(url=url, expires=min(seconds_left, RULES.part_url_seconds))


@app.post(
    f"{S3}/multipart/<upload_id>/complete",
    guard=guards.require_capability,
    raises=[*OF_AN_UPLOAD_SESSION, SessionFileNotFound, PartsMismatch, UploadLost],
)
def companion_complete(session_id: str, token: str, upload_id: str, request: MultipartCompletion) -> CompletedUpload:
    """Complete a file (Uppy).

    Assembles the file from its parts. May be repeated: the answer is the same. `location` only names the object: the
    signed-in endpoints give its owner a URL to read it.
    """
    session = upload_sessions_table.get_for_companion(session_id, token)
    _, file = session.slot_of(upload_id)
    with suppress(FileAlreadyCompleted):
        completion.complete(session, file, [(part.part_number, part.etag) for part in request.parts])
    return CompletedUpload(location=storage.address(file.key), key=file.key)


@app.delete(f"{S3}/multipart/<upload_id>", raises=[UploadSessionNotFound, SessionFileNotFound, FileAlreadyCompleted])
def companion_abort(session_id: str, token: str, upload_id: str) -> dict[str, str]:
    """Withdraw a file (Uppy).

    Takes the file's registration back, as when it is removed on the page. It may be registered again.
    """
    session = upload_sessions_table.get_for_companion(session_id, token)
    slot, file = session.slot_of(upload_id)
    with _without_a_way_to_read():
        completion.require_incomplete(slot, file)
    if files_table.drop(session, file):
        multipart_uploads.abort(file.key, file.multipart_upload_id)
    return {}


lambda_handler = app.lambda_handler
