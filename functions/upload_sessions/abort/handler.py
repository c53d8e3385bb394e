"""DELETE …/sessions/{sessionId}: give the session up; its open uploads and its objects go."""

from aws_lambda_powertools.event_handler import Response

from inlet import answers, api, authentication
from inlet.errors import (
    FinalizeInProgress,
    StorageUnavailable,
    Unauthorized,
    UploadSessionCompleted,
    UploadSessionNotFound,
)
from inlet.logs import logger
from inlet.upload_sessions import cleanup, upload_sessions_table
from inlet.upload_sessions.upload_sessions_table import Leftovers

app = api.resolver(answers.Family.UPLOAD_SESSIONS, validation=False)


@app.delete(
    "/api/mocs/uploads/sessions/<session_id>",
    security=api.SIGNED_IN,
    responses=answers.documented(
        app.family, {204: None}, Unauthorized, UploadSessionNotFound, UploadSessionCompleted, FinalizeInProgress
    ),
)
def abort_session(session_id: str) -> Response[str]:
    """Abort a session. A completed one stays (409); one that has expired or was aborted is gone already (204)."""
    if upload_sessions_table.abort(session_id, authentication.current_user(app.event).sub):
        try:
            cleanup.remove(Leftovers(session_id.lower(), keeps_objects=False))
        except StorageUnavailable as error:  # the session is aborted all the same; the sweeper removes what is left
            logger.warning("storage unavailable", extra={"session_id": session_id, "reason": str(error)})
    return Response(204)


lambda_handler = app.lambda_handler
