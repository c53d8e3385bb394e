"""DELETE /api/mocs/uploads/sessions/{sessionId}: abort the session, or delete it; and what it has in the bucket."""

from aws_lambda_powertools.event_handler import Response

from inlet import api, authentication, deliverer
from inlet.answers import Family
from inlet.errors import (
    FinalizeInProgress,
    InvalidRequest,
    StorageUnavailable,
    UploadSessionCompleted,
    UploadSessionNotFound,
)
from inlet.swallowing import swallowed
from inlet.upload_sessions import cleanup, endings_table, state

app = api.Resolver(Family.UPLOAD_SESSIONS, validation=False, publish=state.publish)


@app.delete(
    "/api/mocs/uploads/sessions/<session_id>",
    security=api.SIGNED_IN,
    replies={204: None},
    raises=[UploadSessionNotFound, UploadSessionCompleted, FinalizeInProgress],
    openapi={
        "parameters": [
            {"name": "session_id", "in": "path", "required": True, "schema": {"type": "string"}},
            {
                "name": "completed",
                "in": "query",
                "description": "Delete the session for good, also a completed one.",
                "schema": {"type": "boolean", "default": False},
            },
        ]
    },
)
def abort_session(session_id: str) -> Response[str]:
    """Abort or delete an upload session.

    Ends the session, aborts its uploads and deletes its objects. A completed session stays (409). One that has expired
    or was aborted before answers 204 too. With `completed=true` the session is deleted whatever its state, and its
    files with it: afterwards it is not found. A file that another of the user's sessions skipped as its duplicate stays
    with that one.
    """
    sub = authentication.current_user(app.event).sub
    end = endings_table.delete if _completed_too() else endings_table.abort
    leftovers = end(session_id, sub)
    if leftovers:
        try:
            cleanup.remove(leftovers)
        except StorageUnavailable as error:  # the session has ended all the same; the sweeper deletes what is left
            swallowed("deletion left to the sweeper", session_id=leftovers.id, reason=str(error))
        deliverer.wake()
    return Response(204)


def _completed_too() -> bool:
    value: str = (app.event.get("queryStringParameters") or {}).get("completed", "false")
    if value not in ("true", "false"):
        raise InvalidRequest("completed should be true or false.")
    return value == "true"


lambda_handler = app.lambda_handler
