"""GET /api/sessions/{id}: return one recording with its transcript and insights, and where to hear it."""

from inlet import api, authentication, identifiers, storage
from inlet.answers import Family
from inlet.errors import OF_A_SPEAKING_SESSION
from inlet.speaking_sessions import messages, speaking_sessions_table
from inlet.speaking_sessions.messages import RecordingDetail
from inlet.times import iso_utc

app = api.Resolver(Family.SPEAKING_SESSIONS, validation=False)


@app.get("/api/sessions/<id>", security=api.SIGNED_IN, raises=[*OF_A_SPEAKING_SESSION])
def read_speaking_session(id: str) -> RecordingDetail:
    """Read a speaking session.

    Returns the session with its transcript, its insights, most severe first, and a URL of the audio, valid 15 minutes.
    """
    user = authentication.current_user(app.event)
    session = speaking_sessions_table.read(user, identifiers.canonical_uuid(id))
    detail: RecordingDetail = {
        **messages.listed(session),
        "transcript": messages.transcript(session.transcript) if session.transcript else None,
        "insights": [messages.insight(row) for row in session.insights],
        "audioUrl": None,
        "audioUrlExpiresAt": None,
    }
    if session.status != "CREATED":
        signed = storage.presign_get(
            session.key, download_name=session.download_name, content_type=session.content_type
        )
        detail["audioUrl"], detail["audioUrlExpiresAt"] = signed.url, iso_utc(signed.expires_at)
    return detail


lambda_handler = app.lambda_handler
