"""POST /api/sessions/{id}/live: give out a ticket for a WebSocket that tells every change of the recording."""

from inlet import api, authentication, identifiers, tickets
from inlet.answers import Family
from inlet.errors import OF_A_SPEAKING_SESSION, LimitExceeded, LiveUpdatesOff
from inlet.speaking_sessions import speaking_sessions_table
from inlet.tickets import LiveTicket

app = api.Resolver(Family.SPEAKING_SESSIONS, validation=False)


def _topic(event: api.Event, id: str) -> str:
    """Return the session's topic for its user."""
    session = speaking_sessions_table.get(authentication.current_user(event), identifiers.canonical_uuid(id))
    return f"speaking_session:{session.id}"


def _check(event: api.Event, id: str) -> None:
    tickets.check(_topic(event, id))


@app.post(
    "/api/sessions/<id>/live",
    status=201,
    security=api.SIGNED_IN,
    guard=_check,
    raises=[*OF_A_SPEAKING_SESSION, LimitExceeded, LiveUpdatesOff],
)
def watch_speaking_session(id: str) -> LiveTicket:
    """Watch a speaking session.

    Open `liveUrl` as a WebSocket within a minute and send `{"action": "hello"}`: it tells the session now, and at every
    change. It opens once. A push may be lost, so poll as well, every half minute.
    """
    topic = _topic(app.event, id)
    return tickets.issue(topic, user_id=authentication.current_user(app.event).sub)


lambda_handler = app.lambda_handler
