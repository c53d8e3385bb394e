"""GET /api/mocs/uploads/sessions/{sessionId}: return the session, its files, their states and progress."""

from aws_lambda_powertools.event_handler import Response

from inlet import api, authentication
from inlet.answers import Family
from inlet.errors import UploadSessionNotFound
from inlet.upload_sessions import state, upload_sessions_table
from inlet.upload_sessions.messages import SessionState

app = api.Resolver(Family.UPLOAD_SESSIONS, validation=False)


@app.get(
    "/api/mocs/uploads/sessions/<session_id>",
    security=api.SIGNED_IN,
    replies={200: SessionState, 304: None},
    raises=[UploadSessionNotFound],
)
def read_session(session_id: str) -> Response[str]:
    """Read an upload session.

    Returns every declared file with its state and progress; a completed file with a fresh URL. Reading does not
    prolong the session. Answers 304, without URLs, while nothing has changed since the ETag in `If-None-Match`.
    """
    session = upload_sessions_table.get(session_id, authentication.current_user(app.event).sub)
    return app.state(state.of(session), changed=session.lapsed)


lambda_handler = app.lambda_handler
