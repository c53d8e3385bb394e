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
from inlet.sniffing import HEAD_BYTES
from inlet.speaking_sessions import messages as models
from inlet.speaking_sessions import speaking_sessions_table
from inlet.speaking_sessions.messages import RecordingReceived

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
    session = speaking_sessions_table.get(user, identifiers.canonical_uuid(id))
    if session.status != "CREATED":
        return models.received(session)
    try:
        stored, head = storage.read_head(session.key, HEAD_BYTES)
    except ObjectMissing as error:
        raise NotUploaded from error
    try:
        session.expect(size=stored.size, head=head)
    except InvalidRecording:
        deletions.attempt(speaking_sessions_table.delete(user, session.id))
        raise
    return models.received(speaking_sessions_table.uploaded(user, session.id))


lambda_handler = app.lambda_handler
