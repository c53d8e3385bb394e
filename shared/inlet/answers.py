"""Errors as HTTP answers: one table of statuses and codes, two envelopes, and both for the API document.

Image jobs answer `{"success": false, "error": {"code", "message"}}`, sessions `{"error": message, "code"}`.
"""

from enum import Enum
from typing import Any

from inlet import errors

type Body = dict[str, Any]


class Family(Enum):
    """Which envelope an endpoint's errors take; the value is the endpoint's tag in the API document."""

    IMAGE_JOBS = "image jobs"
    UPLOAD_SESSIONS = "upload sessions"
    SPEAKING_SESSIONS = "speaking sessions"
    USERS = "users"
    OPERATIONS = "operations"


STATUS_AND_CODE: dict[type[errors.InletError], tuple[int, str]] = {
    errors.InvalidRequest: (400, "BAD_REQUEST"),
    errors.RequestTooLarge: (413, "BAD_REQUEST"),
    errors.ValidationFailed: (422, "VALIDATION_ERROR"),
    errors.UnsupportedType: (415, "BAD_REQUEST"),
    errors.FileTooLarge: (413, "BAD_REQUEST"),
    errors.RouteNotFound: (404, "NOT_FOUND"),
    errors.Unauthorized: (401, "UNAUTHORIZED"),
    errors.LimitExceeded: (429, "TOO_MANY_REQUESTS"),
    errors.LiveUpdatesOff: (404, "LIVE_UPDATES_OFF"),
    errors.BudgetSpent: (429, "BUDGET_SPENT"),
    errors.IdempotencyMismatch: (422, "IDEMPOTENCY_MISMATCH"),
    errors.IdempotencyInProgress: (409, "IDEMPOTENCY_IN_PROGRESS"),
    errors.UploadNotFound: (404, "NOT_FOUND"),
    errors.AlreadyConfirmed: (409, "ALREADY_CONFIRMED"),
    errors.NotUploaded: (409, "NOT_UPLOADED"),
    errors.UploadMismatch: (422, "UPLOAD_MISMATCH"),
    errors.VerificationFailed: (500, "VERIFICATION_FAILED"),
    errors.NotConfirmed: (409, "NOT_CONFIRMED"),
    errors.AlreadyProcessing: (409, "ALREADY_PROCESSING"),
    errors.NotRetryable: (409, "NOT_RETRYABLE"),
    errors.WorkflowFailed: (500, "WORKFLOW_FAILED"),
    errors.ResultNotFound: (404, "NOT_FOUND"),
    errors.ResultNotReady: (409, "NOT_READY"),
    errors.UploadSessionNotFound: (404, "NOT_FOUND"),
    errors.SessionFileNotFound: (404, "NOT_FOUND"),
    errors.UploadSessionClosed: (400, "BAD_REQUEST"),
    errors.FileNotDeclared: (400, "BAD_REQUEST"),
    errors.MultipartOnly: (400, "BAD_REQUEST"),
    errors.FileAlreadyCompleted: (400, "BAD_REQUEST"),
    errors.PartsMismatch: (400, "BAD_REQUEST"),
    errors.UploadLost: (400, "BAD_REQUEST"),
    errors.FilesIncomplete: (400, "BAD_REQUEST"),
    errors.FinalizeInProgress: (409, "FINALIZE_IN_PROGRESS"),
    errors.ContentMismatch: (422, "CONTENT_MISMATCH"),
    errors.UploadSessionCompleted: (409, "ALREADY_COMPLETED"),
    errors.DatabaseUnavailable: (503, "UNAVAILABLE"),
    errors.MissingAudio: (400, "MISSING_AUDIO"),
    errors.InvalidDuration: (400, "INVALID_DURATION"),
    errors.InvalidRecording: (400, "INVALID_FILE"),
    errors.RecordingTooLarge: (413, "INVALID_FILE"),
    errors.FormTooLarge: (413, "INVALID_FILE"),
    errors.AlreadyAnalysed: (409, "ALREADY_PROCESSING"),
    errors.NotAnalysable: (409, "NOT_RETRYABLE"),
    errors.UserNotFound: (404, "USER_NOT_FOUND"),
    errors.SpeakingSessionNotFound: (404, "SESSION_NOT_FOUND"),
}
ALWAYS = (
    errors.InvalidRequest,
    errors.RequestTooLarge,
    errors.UnsupportedType,
    errors.DatabaseUnavailable,
    errors.DependencyUnavailable,
)
"""What any endpoint may answer, whatever it does."""

UNEXPECTED = (500, "INTERNAL_ERROR")
UNEXPECTED_MESSAGE = "Something went wrong on our side. Please try again."


def status_and_code(kind: type[Exception]) -> tuple[int, str]:
    """Return the HTTP status and stable code of an error class: 500 `INTERNAL_ERROR` unless the table names it."""
    return next((STATUS_AND_CODE[base] for base in kind.__mro__ if base in STATUS_AND_CODE), UNEXPECTED)


def error_body(family: Family, code: str, message: str, details: Body) -> Body:
    """Return an error in its family's envelope. `nextAllowedAt` and `requestId` stand at the top in both."""
    if family is Family.IMAGE_JOBS:
        return {"success": False, "error": {"code": code, "message": message}} | details
    top = {name: details[name] for name in ("nextAllowedAt", "requestId") if name in details}
    rest = {name: value for name, value in details.items() if name not in top}
    return {"error": message, "code": code} | top | ({"details": rest} if rest else {})


def documented(family: Family, success: dict[int, Any], *kinds: type[errors.InletError]) -> dict[int, Any]:
    """Return OpenAPI responses. `success` maps a status to its model (None: no body); errors are grouped by status, but
    for those whose body `success` tells.

    Adds what any endpoint may answer: an unreadable, too large or foreign body, an unexpected failure.
    """
    codes: dict[int, list[str]] = {}
    for kind in (*kinds, *ALWAYS):
        status, code = status_and_code(kind)
        if code not in codes.setdefault(status, []):
            codes[status].append(code)
    envelope = {"$ref": f"#/components/schemas/{'JobError' if family is Family.IMAGE_JOBS else 'Error'}"}
    answers: dict[int, Any] = {
        status: {
            "description": "Success",
            "content": {"application/json": {"model": model}} if model else {},
        }
        for status, model in success.items()
    }
    for status in sorted(codes.keys() - success.keys()):
        answers[status] = {
            "description": ", ".join(f"`{code}`" for code in codes[status]),
            "content": {"application/json": {"schema": envelope}},
        }
    return answers
