"""POST /api/mocs/uploads/sessions/{sessionId}/live: give out a ticket for a WebSocket that tells of the session."""

from inlet import api, authentication, tickets
from inlet.answers import Family
from inlet.errors import LimitExceeded, LiveUpdatesOff, UploadSessionNotFound
from inlet.tickets import LiveTicket
from inlet.upload_sessions import upload_sessions_table

app = api.Resolver(Family.UPLOAD_SESSIONS, validation=False)


def _topic(event: api.Event, session_id: str) -> str:
    """Return the session's topic for its user."""
    session = upload_sessions_table.get(session_id, authentication.current_user(event).sub)
    return f"upload_session:{session.id}"


@app.post(
    "/api/mocs/uploads/sessions/<session_id>/live",
    status=201,
    security=api.SIGNED_IN,
    guard=lambda event, session_id: tickets.check(_topic(event, session_id)),
    raises=[UploadSessionNotFound, LimitExceeded, LiveUpdatesOff],
)
def watch_session(session_id: str) -> LiveTicket:
    """Watch an upload session.

    Open `liveUrl` as a WebSocket within a minute and send `{"action": "hello"}`: it tells the session's state now, and
    at every change. It opens once. Whoever sends the files may report bytes sent, which the others are told as
    `reportedBytes`. A push may be lost, so poll as well, every half minute.
    """
    topic = _topic(app.event, session_id)
    return tickets.issue(topic, user_id=authentication.current_user(app.event).sub)


lambda_handler = app.lambda_handler
