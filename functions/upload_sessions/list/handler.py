"""GET /api/mocs/uploads/sessions: return a page of the user's upload sessions, newest first."""

from inlet import api, authentication, paging
from inlet.answers import Family
from inlet.upload_sessions import lists_table
from inlet.upload_sessions.messages import ListedSession, SessionPage

app = api.Resolver(Family.UPLOAD_SESSIONS)


@app.get("/api/mocs/uploads/sessions", security=api.SIGNED_IN, openapi={"parameters": paging.PARAMETERS})
def list_sessions() -> SessionPage:
    """List upload sessions.

    Returns a page of the user's sessions, newest first, and how many there are in all. One session's files are at
    `GET /api/mocs/uploads/sessions/{sessionId}`.
    """
    wanted = paging.asked_for(app.event)
    found = lists_table.page(authentication.current_user(app.event).sub, wanted)
    return SessionPage(
        sessions=[
            ListedSession(
                session_id=session.id,
                status=session.state,
                revision=session.revision,
                file_count=session.file_count,
                bytes=session.bytes,
                created_at=session.created_at,
                expires_at=session.expires_at,
                deletes_at=session.deletes_at,
            )
            for session in found.sessions
        ],
        total=found.total,
        page=wanted.number,
        limit=wanted.limit,
    )


lambda_handler = app.lambda_handler
