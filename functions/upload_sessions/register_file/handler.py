"""POST /api/mocs/uploads/sessions/{sessionId}/files: register a declared file, and say where to PUT its parts."""

from inlet import api, authentication
from inlet.answers import Family
from inlet.errors import OF_AN_UPLOAD_SESSION, FileNotDeclared, InletError
from inlet.upload_sessions import guards, registration, state, upload_sessions_table
from inlet.upload_sessions.messages import DeclaredFile, RegisteredFile

app = api.Resolver(Family.UPLOAD_SESSIONS, publish=state.publish)


@app.post(
    "/api/mocs/uploads/sessions/<session_id>/files",
    security=api.SIGNED_IN,
    guard=guards.require_owner,
    replies={201: RegisteredFile, 200: RegisteredFile},
    raises=[*OF_AN_UPLOAD_SESSION, FileNotDeclared],
)
def register_file(session_id: str, file: DeclaredFile) -> tuple[RegisteredFile, int]:
    """Register a file.

    Opens the upload of a declared file and returns a presigned PUT for each of its parts. Answers 200 with the same
    upload if the file was registered before. Each accepted call prolongs the session.
    """
    session = upload_sessions_table.get(session_id, authentication.current_user(app.event).sub)
    [registered] = registration.register(session, [file.declared])
    if isinstance(registered, InletError):
        raise registered
    return registered.reply(session.part_size_bytes), 201 if registered.is_new else 200


lambda_handler = app.lambda_handler
