"""POST /api/sessions/{id}/complete: verify that the announced recording is in the bucket."""

from inlet import api, authentication, deletions, identifiers, metrics, storage
from inlet.answers import Family
from inlet.errors import OF_A_SPEAKING_SESSION, InvalidRecording, NotUploaded, ObjectMissing
from inlet.sniffing import HEAD_BYTES
from inlet.speaking_sessions import analysis, messages, speaking_sessions_table, state
from inlet.speaking_sessions.messages import RecordingReceived
from inlet.speaking_sessions.rows import SpeakingSession

app = api.Resolver(Family.SPEAKING_SESSIONS, validation=False, publish=state.publish)


def _session(event: api.Event, id: str) -> SpeakingSession:
    return speaking_sessions_table.get(authentication.current_user(event), identifiers.canonical_uuid(id))


@app.post(
    "/api/sessions/<id>/complete",
    security=api.SIGNED_IN,
    guard=_session,
    raises=[*OF_A_SPEAKING_SESSION, NotUploaded, InvalidRecording],
)
def complete_speaking_session(id: str) -> RecordingReceived:
    """Complete a speaking session.

    Call it after the PUT of an announced recording. Checks size and first bytes. If the object is not audio, object and
    session are deleted. May be repeated: the answer is the same.
    """
    user = authentication.current_user(app.event)
    session = _session(app.event, id)
    if session.status != "CREATED":
        return messages.received(session)
    try:
        stored, head = storage.read_head(session.key, HEAD_BYTES)
    except ObjectMissing as error:
        raise NotUploaded from error
    try:
        content_type = session.type_of(size=stored.size, head=head)
    except InvalidRecording:
        deletions.attempt([speaking_sessions_table.delete(user, session.id)])
        raise
    session = speaking_sessions_table.uploaded(user, session.id, content_type, analysis.execution(session.id))
    metrics.put({"BytesConfirmed": stored.size}, family="speaking_sessions")
    analysis.begin(session)
    return messages.received(session)


lambda_handler = app.lambda_handler
