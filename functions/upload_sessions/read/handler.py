"""GET /api/mocs/uploads/sessions/{sessionId}: return the session, its files, their states and progress."""

from inlet import api, authentication
from inlet.answers import Family
from inlet.errors import UploadSessionNotFound
from inlet.upload_sessions import state, upload_sessions_table
from inlet.upload_sessions.messages import SessionState

app = api.Resolver(Family.UPLOAD_SESSIONS)


@app.get("/api/mocs/uploads/sessions/<session_id>", security=api.SIGNED_IN, raises=[UploadSessionNotFound])
def read_session(session_id: str) -> SessionState:
    """Read an upload session.

    Returns every declared file with its state and progress; a completed file with a fresh URL. Reading does not
    prolong the session.
    """
    return state.of(upload_sessions_table.get(session_id, authentication.current_user(app.event).sub))


lambda_handler = app.lambda_handler
