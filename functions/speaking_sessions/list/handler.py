"""GET /api/sessions: return a page of the user's recordings, newest first."""

from inlet import api, authentication, paging
from inlet.answers import Family
from inlet.speaking_sessions import messages, speaking_sessions_table
from inlet.speaking_sessions.messages import RecordingPage

app = api.Resolver(Family.SPEAKING_SESSIONS, validation=False)


@app.get("/api/sessions", security=api.SIGNED_IN, openapi={"parameters": paging.PARAMETERS})
def list_speaking_sessions() -> RecordingPage:
    """List speaking sessions.

    Returns a page of the user's sessions, newest first, and how many there are in all. A user who has never recorded
    anything has none.
    """
    user = authentication.current_user(app.event)
    wanted = paging.asked_for(app.event)
    found = speaking_sessions_table.page(user, wanted)
    return {
        "sessions": [messages.listed(session) for session in found.sessions],
        "total": found.total,
        "page": wanted.number,
        "limit": wanted.limit,
    }


lambda_handler = app.lambda_handler
