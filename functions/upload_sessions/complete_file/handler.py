"""POST …/files/{fileId}/complete: all parts are there; make them one object."""

from inlet import answers, api, authentication
from inlet.errors import (
    FileAlreadyCompleted,
    IdempotencyInProgress,
    IdempotencyMismatch,
    PartsMismatch,
    SessionFileNotFound,
    Unauthorized,
    UnsupportedType,
    UploadLost,
    UploadSessionClosed,
    UploadSessionNotFound,
    ValidationFailed,
)
from inlet.upload_sessions import completion, upload_sessions_table
from inlet.upload_sessions.messages import CompletedFile, CompleteRequest

app = api.resolver(answers.Family.UPLOAD_SESSIONS)


@app.post(
    "/api/mocs/uploads/sessions/<session_id>/files/<file_id>/complete",
    security=api.SIGNED_IN,
    responses=answers.documented(
        app.family,
        {200: CompletedFile},
        Unauthorized,
        UploadSessionNotFound,
        SessionFileNotFound,
        UploadSessionClosed,
        FileAlreadyCompleted,
        PartsMismatch,
        UploadLost,
        UnsupportedType,
        ValidationFailed,
        IdempotencyMismatch,
        IdempotencyInProgress,
    ),
)
def complete_file(session_id: str, file_id: str, request: CompleteRequest) -> CompletedFile:
    """Complete a registered file. The bucket's own list of parts decides; of racing callers one completes it."""
    session = upload_sessions_table.get(session_id, authentication.current_user(app.event).sub)
    slot, file = session.slot_of(file_id)
    file_url = completion.complete(session, slot, file, [(part.part_number, part.etag) for part in request.parts])
    return CompletedFile(file_id=file.id, file_url=file_url)


lambda_handler = app.lambda_handler
