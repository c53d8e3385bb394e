"""What the owner of a speaking session sees of it: the recording, and what was made of it."""

from inlet import live, storage
from inlet.authentication import User
from inlet.live import Readers
from inlet.speaking_sessions import messages, speaking_sessions_table
from inlet.speaking_sessions.messages import RecordingDetail
from inlet.speaking_sessions.rows import SpeakingSessionDetail
from inlet.times import iso_utc


def of(session: SpeakingSessionDetail) -> RecordingDetail:
    """Return the session with transcript and insights, and a fresh URL of the audio where there is any."""
    detail: RecordingDetail = {
        **messages.listed(session),
        "transcript": messages.transcript(session.transcript) if session.transcript else None,
        "metrics": messages.metrics(session),
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


def read(session_id: str, user: str | None) -> RecordingDetail:
    """Read a user's session. Raise `SpeakingSessionNotFound` or `UserNotFound`."""
    return of(speaking_sessions_table.read(User(user or ""), session_id))


LIVE: Readers = {"speaking_session": read}


def publish() -> None:
    """Tell those who watch what this function has changed. Never fails."""
    live.publish(LIVE)
