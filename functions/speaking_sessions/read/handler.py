"""GET /api/sessions/{id}: one recording with all that is known of it, and where to hear it."""

from inlet import answers, api, authentication, identifiers, storage
from inlet.errors import SpeakingSessionNotFound, Unauthorized, UserNotFound
from inlet.speaking_sessions import messages as models
from inlet.speaking_sessions import speaking_sessions_table
from inlet.speaking_sessions.messages import RecordingDetail
from inlet.times import iso_utc

app = api.resolver(answers.Family.SPEAKING_SESSIONS, validation=False)


@app.get(
    "/api/sessions/<id>",
    security=api.SIGNED_IN,
    responses=answers.documented(
        app.family, {200: RecordingDetail}, Unauthorized, UserNotFound, SpeakingSessionNotFound
    ),
)
def read_speaking_session(id: str) -> RecordingDetail:  # noqa: A002 - the contract's name in the path
    """The session with its transcript, its insights, most severe first, and a URL of the audio, valid 15 minutes."""
    user = authentication.current_user(app.event)
    session = speaking_sessions_table.read(user, identifiers.canonical_uuid(id))
    detail: RecordingDetail = {
        **models.listed(session),
        "transcript": models.transcript(session.transcript) if session.transcript else None,
        "insights": [models.insight(row) for row in session.insights],
        "audioUrl": None,
        "audioUrlExpiresAt": None,
    }
    if session.status != "CREATED":
        signed = storage.presign_get(session.key, download_name=session.download_name)
        detail["audioUrl"], detail["audioUrlExpiresAt"] = signed.url, iso_utc(signed.expires_at)
    return detail


lambda_handler = app.lambda_handler
