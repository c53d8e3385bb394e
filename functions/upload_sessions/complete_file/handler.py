"""POST /api/mocs/uploads/sessions/{sessionId}/files/{fileId}/complete: assemble the file from its parts."""

from inlet import api, authentication
from inlet.answers import Family
from inlet.errors import OF_A_SESSION_FILE, PartsMismatch, UploadLost
from inlet.upload_sessions import completion, guards, state, upload_sessions_table
from inlet.upload_sessions.messages import CompletedFile, CompleteRequest

app = api.Resolver(Family.UPLOAD_SESSIONS, publish=state.publish)


@app.post(
    "/api/mocs/uploads/sessions/<session_id>/files/<file_id>/complete",
    security=api.SIGNED_IN,
    guard=guards.require_owner,
    raises=[*OF_A_SESSION_FILE, PartsMismatch, UploadLost],
)
def complete_file(session_id: str, file_id: str, request: CompleteRequest) -> CompletedFile:
    """Complete a file.

    Assembles the file from its parts; name each part with the ETag that the bucket answered. The bucket's own list of
    parts decides. A file that is completed already answers 400 with its URL in `details.fileUrl`.
    """
    session = upload_sessions_table.get(session_id, authentication.current_user(app.event).sub)
    _, file = session.slot_of(file_id)
    file_url = completion.complete(session, file, request.numbered)
    return CompletedFile(file_id=file.id, file_url=file_url)


lambda_handler = app.lambda_handler
