"""POST /api/mocs/uploads/sessions/{sessionId}/files/complete: assemble many files, each with its own result."""

from inlet import api, authentication
from inlet.answers import Family
from inlet.deadline import Deadline
from inlet.errors import InletError, UploadSessionNotFound
from inlet.upload_sessions import batches, completion, guards, state, upload_sessions_table
from inlet.upload_sessions.messages import CompletedFile, CompleteFilesRequest, CompletionResult, CompletionResults
from inlet.upload_sessions.rules import RULES

app = api.Resolver(Family.UPLOAD_SESSIONS, publish=state.publish)


@app.post(
    "/api/mocs/uploads/sessions/<session_id>/files/complete",
    security=api.SIGNED_IN,
    guard=guards.require_owner,
    raises=[UploadSessionNotFound],
)
def complete_files(session_id: str, request: CompleteFilesRequest) -> CompletionResults:
    """Complete many files.

    Assembles each file from its parts, in one call. Each has a result of its own: some may be refused while others
    succeed. A file that storage had no time for answers 500: complete it again.
    """
    session = upload_sessions_table.get(session_id, authentication.current_user(app.event).sub)
    wanted = {file.file_id: file.numbered for file in request.files}
    deadline = Deadline.of(app.context, reserve_seconds=RULES.complete_reserve_seconds)
    outcomes = zip(wanted, completion.complete_all(session, wanted, deadline), strict=True)
    return CompletionResults(results=[_result(index, *outcome) for index, outcome in enumerate(outcomes)])


def _result(index: int, file_id: str, outcome: str | InletError) -> CompletionResult:
    """Return the answer that completing this file alone would have had."""
    if isinstance(outcome, InletError):
        status, error = batches.refused(outcome)
        return CompletionResult(index=index, status=status, error=error)
    return CompletionResult(index=index, status=200, file=CompletedFile(file_id=file_id, file_url=outcome))


lambda_handler = app.lambda_handler
