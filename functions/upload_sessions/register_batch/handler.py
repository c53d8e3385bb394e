"""POST /api/mocs/uploads/sessions/{sessionId}/files/batch: register many declared files, each with its own result."""

from inlet import answers, api, authentication
from inlet.answers import Family
from inlet.errors import OF_AN_UPLOAD_SESSION, InletError
from inlet.upload_sessions import guards, registration, upload_sessions_table
from inlet.upload_sessions.messages import BatchError, BatchRequest, BatchResult, BatchResults
from inlet.upload_sessions.registration import Registration

app = api.Resolver(Family.UPLOAD_SESSIONS)


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
        results=[_result(index, outcome, session.part_size_bytes) for index, outcome in enumerate(outcomes)]
    )


def _result(index: int, outcome: Registration | InletError, part_size_bytes: int) -> BatchResult:
    """Return the answer that registering this file alone would have had."""
    if isinstance(outcome, InletError):
        status, code = answers.status_and_code(type(outcome))
        message = answers.UNEXPECTED_MESSAGE if status == answers.UNEXPECTED[0] else str(outcome)
        return BatchResult(index=index, status=status, error=BatchError(error=message, code=code))
    return BatchResult(index=index, status=201 if outcome.is_new else 200, file=outcome.reply(part_size_bytes))


lambda_handler = app.lambda_handler
