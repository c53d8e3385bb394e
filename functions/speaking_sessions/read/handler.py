"""GET /api/sessions/{id}: return one recording with its transcript and insights, and where to hear it."""

from aws_lambda_powertools.event_handler import Response

from inlet import api, authentication, identifiers
from inlet.answers import Family
from inlet.errors import OF_A_SPEAKING_SESSION
from inlet.speaking_sessions import speaking_sessions_table, state
from inlet.speaking_sessions.messages import RecordingDetail

app = api.Resolver(Family.SPEAKING_SESSIONS, validation=False)


@app.get(
    "/api/sessions/<id>",
    security=api.SIGNED_IN,
    replies={200: RecordingDetail, 304: None},
    raises=OF_A_SPEAKING_SESSION,
)
def read_speaking_session(id: str) -> Response[str]:
    """Read a speaking session.

    Returns the session with its transcript, its insights, most severe first, and a URL of the audio, valid 15 minutes.
    Answers 304, without a URL, while nothing has changed since the ETag in `If-None-Match`.
    """
    user = authentication.current_user(app.event)
    return app.state(state.of(speaking_sessions_table.read(user, identifiers.canonical_uuid(id))))


lambda_handler = app.lambda_handler
