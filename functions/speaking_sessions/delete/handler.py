"""DELETE /api/sessions/{id}: the recording, what was heard in it, and the session go.

One statement deletes the rows and notes the object for deletion; whatever happens then, the sweeper deletes it.
"""

from inlet import answers, api, authentication, deletions, identifiers
from inlet.errors import SpeakingSessionNotFound, Unauthorized, UserNotFound
from inlet.speaking_sessions import speaking_sessions_table
from inlet.speaking_sessions.messages import RecordingDeleted

app = api.resolver(answers.Family.SPEAKING_SESSIONS, validation=False)


@app.delete(
    "/api/sessions/<id>",
    security=api.SIGNED_IN,
    responses=answers.documented(
        app.family, {200: RecordingDeleted}, Unauthorized, UserNotFound, SpeakingSessionNotFound
    ),
)
def delete_speaking_session(id: str) -> RecordingDeleted:  # noqa: A002 - the contract's name in the path
    """Delete the session; a storage failure does not stop it."""
    user = authentication.current_user(app.event)
    key = speaking_sessions_table.delete(user, identifiers.canonical_uuid(id))
    deletions.attempt(key)
    return {"ok": True}


lambda_handler = app.lambda_handler
