"""DELETE /api/mocs/uploads/sessions/{sessionId}: abort the session, and delete what it has in the bucket."""

from aws_lambda_powertools.event_handler import Response

from inlet import api, authentication, deliverer
from inlet.answers import Family
from inlet.errors import FinalizeInProgress, StorageUnavailable, UploadSessionCompleted, UploadSessionNotFound
from inlet.logs import logger
from inlet.upload_sessions import cleanup, upload_sessions_table

app = api.Resolver(Family.UPLOAD_SESSIONS, validation=False)


@app.delete(
    "/api/mocs/uploads/sessions/<session_id>",
    security=api.SIGNED_IN,
    replies={204: None},
    raises=[UploadSessionNotFound, UploadSessionCompleted, FinalizeInProgress],
)
def abort_session(session_id: str) -> Response[str]:
    """Abort an upload session.

    Ends the session, aborts its uploads and deletes its objects. A completed session stays (409). One that has expired
    or was aborted before answers 204 too.
    """
    leftovers = upload_sessions_table.abort(session_id, authentication.current_user(app.event).sub)
    if leftovers:
        try:
            cleanup.remove(leftovers)
        except StorageUnavailable as error:  # the session is aborted all the same; the sweeper deletes what is left
            logger.warning("storage unavailable", extra={"session_id": leftovers.id, "reason": str(error)})
        deliverer.wake()
    return Response(204)


lambda_handler = app.lambda_handler
