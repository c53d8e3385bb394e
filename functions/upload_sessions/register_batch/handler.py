"""POST /api/mocs/uploads/sessions/{sessionId}/files/batch: register many declared files, each with its own result."""

from inlet import api, authentication
from inlet.answers import Family
from inlet.errors import OF_AN_UPLOAD_SESSION
from inlet.upload_sessions import batches, guards, registration, state, upload_sessions_table
from inlet.upload_sessions.messages import BatchRequest, BatchResults

app = api.Resolver(Family.UPLOAD_SESSIONS, publish=state.publish)


@app.post(
    "/api/mocs/uploads/sessions/<session_id>/files/batch",
    security=api.SIGNED_IN,
    guard=guards.require_owner,
    raises=[*OF_AN_UPLOAD_SESSION],
)
def register_batch(session_id: str, batch: BatchRequest) -> BatchResults:
    """Register many files.

    Registers declared files in one call. Each has a result of its own: some may be refused while others succeed.
    """
    session = upload_sessions_table.get(session_id, authentication.current_user(app.event).sub)
    outcomes = registration.register(session, [file.declared for file in batch.files])
    return BatchResults(
        results=[batches.registered(index, outcome, session.part_size_bytes) for index, outcome in enumerate(outcomes)]
    )


lambda_handler = app.lambda_handler
