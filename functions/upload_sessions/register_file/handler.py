"""POST …/sessions/{sessionId}/files: open a declared file's upload; the answer says where to PUT its parts."""

from inlet import answers, api, authentication
from inlet.errors import (
    FileNotDeclared,
    IdempotencyInProgress,
    IdempotencyMismatch,
    InletError,
    Unauthorized,
    UnsupportedType,
    UploadSessionClosed,
    UploadSessionNotFound,
    ValidationFailed,
)
from inlet.upload_sessions import registration, upload_sessions_table
from inlet.upload_sessions.messages import DeclaredFile, RegisteredFile

app = api.resolver(answers.Family.UPLOAD_SESSIONS)


@app.post(
    "/api/mocs/uploads/sessions/<session_id>/files",
    status_code=201,
    security=api.SIGNED_IN,
    responses=answers.documented(
        app.family,
        {201: RegisteredFile, 200: RegisteredFile},
        Unauthorized,
        UploadSessionNotFound,
        UploadSessionClosed,
        FileNotDeclared,
        UnsupportedType,
        ValidationFailed,
        IdempotencyMismatch,
        IdempotencyInProgress,
    ),
)
def register_file(session_id: str, file: DeclaredFile) -> tuple[RegisteredFile, int]:
    """Register a declared file: 201, and 200 with the same answer when it was registered before."""
    session = upload_sessions_table.get(session_id, authentication.current_user(app.event).sub)
    [registered] = registration.register(session, [file.declared])
    if isinstance(registered, InletError):
        raise registered
    return registered.reply(session.part_size_bytes), 201 if registered.is_new else 200


lambda_handler = app.lambda_handler
