"""What became of one file of a batch: the answer that the file alone would have had."""

from inlet import answers
from inlet.errors import InletError
from inlet.swallowing import swallowed
from inlet.upload_sessions.messages import BatchError, BatchResult
from inlet.upload_sessions.registration import Registration


def registered(index: int, outcome: Registration | InletError, part_size_bytes: int) -> BatchResult:
    """Return the result of registering the file at `index`."""
    if isinstance(outcome, InletError):
        status, error = refused(outcome)
        return BatchResult(index=index, status=status, error=error)
    return BatchResult(index=index, status=201 if outcome.is_new else 200, file=outcome.reply(part_size_bytes))


def refused(error: InletError) -> tuple[int, BatchError]:
    """Return the status and the words of a refusal. Log a failure of our own: the call that holds it succeeds."""
    status, code = answers.status_and_code(type(error))
    if (status, code) == answers.UNEXPECTED:
        swallowed("file of a batch failed", error=type(error).__name__, cause=str(error.__cause__ or error))
        return status, BatchError(error=answers.UNEXPECTED_MESSAGE, code=code)
    return status, BatchError(error=str(error), code=code, details=error.details or None)
