"""POST /api/sessions/{id}/complete: the announced recording is in the bucket; prove that it is one."""

from inlet import answers, api, authentication, deletions, identifiers, storage
from inlet.errors import (
    IdempotencyInProgress,
    IdempotencyMismatch,
    InvalidRecording,
    NotUploaded,
    ObjectMissing,
    SpeakingSessionNotFound,
    Unauthorized,
    UserNotFound,
)
from inlet.models import speaking_sessions as models
from inlet.models.speaking_sessions import RecordingReceived
from inlet.sniffing import HEAD_BYTES
from inlet.tables import speaking_sessions

app = api.resolver(answers.Family.SPEAKING_SESSIONS, validation=False)


@app.post(
    "/api/sessions/<id>/complete",
    security=api.SIGNED_IN,
    responses=answers.documented(
        app.family,
        {200: RecordingReceived},
        Unauthorized,
        UserNotFound,
        SpeakingSessionNotFound,
        NotUploaded,
        InvalidRecording,
        IdempotencyMismatch,
        IdempotencyInProgress,
    ),
)
def complete_speaking_session(id: str) -> RecordingReceived:  # noqa: A002 - the contract's name in the path
    """Check size and first bytes. What is no recording is deleted with its session, as a refused form leaves none."""
    user = authentication.current_user(app.event)
    session = speaking_sessions.get(user, identifiers.canonical_uuid(id))
    if session.status != "CREATED":
        return models.received(session)
    try:
        stored, head = storage.read_head(session.key, HEAD_BYTES)
    except ObjectMissing as error:
        raise NotUploaded from error
    try:
        session.expect(size=stored.size, head=head)
    except InvalidRecording:
        deletions.attempt(speaking_sessions.delete(user, session.id))
        raise
    return models.received(speaking_sessions.uploaded(user, session.id))


lambda_handler = app.lambda_handler
