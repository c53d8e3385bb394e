"""DELETE /api/sessions/{id}: delete the session, its recording, and its transcript and insights.

One statement deletes the rows and notes the object for deletion. Whatever happens then, the sweeper deletes it.
"""

from inlet import api, authentication, deletions, deliverer, identifiers
from inlet.answers import Family
from inlet.errors import OF_A_SPEAKING_SESSION
from inlet.speaking_sessions import speaking_sessions_table
from inlet.speaking_sessions.messages import RecordingDeleted

app = api.Resolver(Family.SPEAKING_SESSIONS, validation=False)


@app.delete("/api/sessions/<id>", security=api.SIGNED_IN, raises=[*OF_A_SPEAKING_SESSION])
def delete_speaking_session(id: str) -> RecordingDeleted:
    """Delete a speaking session.

    Deletes the recording with its transcript and insights. A storage failure does not stop it: the object is deleted
    later.
    """
    user = authentication.current_user(app.event)
    key = speaking_sessions_table.delete(user, identifiers.canonical_uuid(id))
    deletions.attempt([key])
    deliverer.wake()
    return {"ok": True}


lambda_handler = app.lambda_handler
