"""…/sessions/{sessionId}/companion/{token}/s3/…: Companion's S3 routes, so that stock Uppy can send a session's files.

A dialect of the same session, file by file what the other endpoints do; one function, because it is one protocol that
somebody else designed, and no route of it is of use without the others. Uppy sends no Authorization header, so the path
carries the capability that the session was created with: it opens this session only, and dies with it. Creating,
finalizing and aborting the session stay with the signed-in page.
"""

from inlet import answers, api, multipart_uploads
from inlet.errors import (
    FileAlreadyCompleted,
    FileNotDeclared,
    IdempotencyInProgress,
    IdempotencyMismatch,
    InletError,
    MultipartOnly,
    MultipartUploadGone,
    PartsMismatch,
    SessionFileNotFound,
    UnsupportedType,
    UploadLost,
    UploadSessionClosed,
    UploadSessionNotFound,
    ValidationFailed,
)
from inlet.upload_sessions import completion, files_table, registration, upload_sessions_table
from inlet.upload_sessions.companion_messages import (
    CompletedUpload,
    ListedPart,
    MultipartCompletion,
    MultipartRequest,
    MultipartUpload,
    SignedPart,
)
from inlet.upload_sessions.rules import RULES

app = api.resolver(answers.Family.UPLOAD_SESSIONS)

S3 = "/api/mocs/uploads/sessions/<session_id>/companion/<token>/s3"
REFUSALS = (UploadSessionNotFound, UploadSessionClosed)
OF_A_FILE = (*REFUSALS, SessionFileNotFound)
OF_A_POST = (UnsupportedType, ValidationFailed, IdempotencyMismatch, IdempotencyInProgress)


@app.get(f"{S3}/params", responses=answers.documented(app.family, {}, MultipartOnly, UploadSessionNotFound))
def companion_form(session_id: str, token: str) -> MultipartUpload:
    """Refuse to sign a form: Uppy tells nobody when one has arrived, and R2 takes none. `shouldUseMultipart: true`."""
    upload_sessions_table.get_for_companion(session_id, token)
    raise MultipartOnly


@app.post(
    f"{S3}/multipart",
    responses=answers.documented(app.family, {200: MultipartUpload}, *REFUSALS, FileNotDeclared, *OF_A_POST),
)
def companion_begin(session_id: str, token: str, request: MultipartRequest) -> MultipartUpload:
    """Register the declared file of that name and type."""
    session = upload_sessions_table.get_for_companion(session_id, token)
    [registered] = registration.register(session, [session.declared_as(request.filename, request.type)])
    if isinstance(registered, InletError):
        raise registered
    return MultipartUpload(key=registered.file.key, upload_id=registered.file.id)


@app.get(
    f"{S3}/multipart/<upload_id>",
    responses=answers.documented(app.family, {200: list[ListedPart]}, *OF_A_FILE, UploadLost),
)
def companion_list(session_id: str, token: str, upload_id: str) -> list[ListedPart]:
    """What the bucket has. A completed file has every part, so who lost that answer completes again and gets it."""
    session = upload_sessions_table.get_for_companion(session_id, token)
    slot, file = session.slot_of(upload_id)
    every = slot.parts(session.part_size_bytes, first=1, limit=RULES.max_parts)
    try:
        completion.refuse_completed(slot, file)
        session.require_active()
        try:
            uploaded = list(
                multipart_uploads.uploaded_parts(file.key, file.multipart_upload_id, first=1, last=len(every))
            )
        except MultipartUploadGone:
            completion.finish(session, slot, file)
        files_table.seen(session, file, uploaded)
    except FileAlreadyCompleted:
        return [ListedPart(part_number=number, size=size, etag="completed") for number, size in every]
    return [ListedPart(part_number=part.number, size=part.size, etag=part.etag) for part in uploaded]


@app.get(
    f"{S3}/multipart/<upload_id>/<part_number>",
    responses=answers.documented(
        app.family, {200: SignedPart}, *OF_A_FILE, FileAlreadyCompleted, PartsMismatch, ValidationFailed
    ),
)
def companion_sign(session_id: str, token: str, upload_id: str, part_number: int) -> SignedPart:
    """Say where to PUT one part."""
    session = upload_sessions_table.get_for_companion(session_id, token)
    slot, file = session.slot_of(upload_id)
    completion.refuse_completed(slot, file)
    session.require_active()
    parts = slot.parts(session.part_size_bytes, first=part_number, limit=1) if part_number > 0 else []
    if not parts:
        raise PartsMismatch(expectedParts=slot.part_count(session.part_size_bytes))
    seconds_left = files_table.seen(session, file, [])
    if seconds_left is None:
        completion.refuse_settled(session, file)
    url = registration.sign_part(file, *parts[0], seconds_left)
    return SignedPart(url=url, expires=min(seconds_left, RULES.part_url_seconds))


@app.post(
    f"{S3}/multipart/<upload_id>/complete",
    responses=answers.documented(app.family, {200: CompletedUpload}, *OF_A_FILE, PartsMismatch, UploadLost, *OF_A_POST),
)
def companion_complete(session_id: str, token: str, upload_id: str, request: MultipartCompletion) -> CompletedUpload:
    """Complete a file; again: the same answer."""
    session = upload_sessions_table.get_for_companion(session_id, token)
    slot, file = session.slot_of(upload_id)
    try:
        url = completion.complete(session, slot, file, [(part.part_number, part.etag) for part in request.parts])
    except FileAlreadyCompleted as completed:
        url = completed.details["fileUrl"]
    return CompletedUpload(location=url, key=file.key)


@app.delete(
    f"{S3}/multipart/<upload_id>",
    responses=answers.documented(app.family, {200: dict[str, str]}, *OF_A_FILE, FileAlreadyCompleted),
)
def companion_abort(session_id: str, token: str, upload_id: str) -> dict[str, str]:
    """Take a file's registration back: it was removed on the page, and may be registered again."""
    session = upload_sessions_table.get_for_companion(session_id, token)
    slot, file = session.slot_of(upload_id)
    completion.refuse_completed(slot, file)
    if files_table.drop(session, file):
        multipart_uploads.abort(file.key, file.multipart_upload_id)
    return {}


lambda_handler = app.lambda_handler
