"""What can go wrong, as exceptions that know nothing of HTTP. `answers.py` translates them, in one table.

    InletError
    ├── the request itself        InvalidRequest (RequestTooLarge, InstructionMissing), ValidationFailed, Unauthorized …
    ├── image jobs                UploadNotFound, AlreadyConfirmed, NotUploaded, AlreadyProcessing (AttemptsExhausted) …
    ├── upload sessions           UploadSessionNotFound, FileNotDeclared, PartsMismatch, ContentMismatch …
    ├── speaking sessions         MissingAudio, InvalidRecording, SpeakingSessionNotFound …
    ├── StageError                of the workflow: its Retry and Catch match on the class names
    ├── DependencyUnavailable     DatabaseUnavailable, StorageUnavailable, WorkflowUnavailable
    └── of the bucket             ObjectMissing, ObjectExists, MultipartUploadGone, PartsRefused: callers translate them

`str(error)` is always fit to be shown to a person and holds no secret. `details` carries what helps a client recover.
"""

from typing import Any, ClassVar


class InletError(Exception):
    """Root of everything Inlet raises on purpose."""

    message: ClassVar[str] = "Something went wrong."
    retry_after_seconds: int | None = None

    def __init__(self, message: str | None = None, **details: Any) -> None:
        self.details = details
        super().__init__(message or self.message)


# The request itself


class InvalidRequest(InletError):
    """The request cannot be read."""

    message = "The request could not be read."


class RequestTooLarge(InvalidRequest):
    """The request's body is over the limit."""

    message = "The request body is too large."


class ValidationFailed(InletError):
    """Fields are missing or wrong; `details["fields"]` names them."""

    message = "Some fields are missing or wrong."


class UnsupportedType(InletError):
    """A MIME type outside the allow-list."""

    message = "This type of file is not supported."


class FileTooLarge(InletError):
    """A declared size over the limit."""

    message = "This file is too large."


class RouteNotFound(InletError):
    """No endpoint of this function has that path."""

    message = "Not found."


class Unauthorized(InletError):
    """No credentials, or wrong ones."""

    message = "Unauthorized"


class LimitExceeded(InletError):
    """A rate limit refuses until `details["nextAllowedAt"]`."""

    message = "Too many requests. Please try again later."

    def __init__(self, *, retry_after_seconds: int, next_allowed_at: str) -> None:
        super().__init__(nextAllowedAt=next_allowed_at)
        self.retry_after_seconds = retry_after_seconds


class LiveUpdatesOff(InletError):
    """This stack pushes no progress."""

    message = "Progress is not pushed here. Please poll."


class BudgetSpent(LimitExceeded):
    """The day's model calls of the whole stack are used up."""

    message = "We have reached today's limit of new pictures. Please try again tomorrow."


class IdempotencyMismatch(InletError):
    """An `Idempotency-Key` was used before with another body."""

    message = "This Idempotency-Key was already used with a different request."


class IdempotencyInProgress(InletError):
    """The first request with this `Idempotency-Key` is still running."""

    message = "The first request with this Idempotency-Key is still running."
    retry_after_seconds = 1


# Image jobs


class UploadNotFound(InletError):
    """No upload has this id."""

    message = "Upload not found. Please try again."


class AlreadyConfirmed(InletError):
    """The upload was confirmed before."""

    message = "This upload has already been processed."


class NotUploaded(InletError):
    """The bucket has no object under the upload's key yet."""

    message = "We can't see your file yet. Please finish the upload first."
    retry_after_seconds = 1


class UploadMismatch(InletError):
    """The stored object is not what was declared."""

    message = "The uploaded file is not the one that was announced. Please upload it again."


class VerificationFailed(InletError):
    """Storage did not answer while an upload was being verified."""

    message = "We couldn't verify your upload. Let's try again!"


class NotConfirmed(InletError):
    """Processing was asked for before the upload was confirmed."""

    message = "Please confirm the upload first."


class AlreadyProcessing(InletError):
    """The job is running or done; `details["status"]` says which."""

    message = "This upload is already being processed."


class AttemptsExhausted(AlreadyProcessing):
    """The job failed as often as it may."""

    message = "This upload could not be processed. Please upload the photo again."


class NotRetryable(InletError):
    """The picture itself was refused, so the job is final. The message says why."""

    message = "This photo can't be processed. Please upload another one."


class WorkflowFailed(InletError):
    """The workflow could not be started; the job stays startable."""

    message = "We couldn't start processing. Please try again."


class ResultNotFound(InletError):
    """No result has this id."""

    message = "Result not found."


class ResultNotReady(InletError):
    """The job behind the result is not completed."""

    message = "Your result isn't ready yet."
    retry_after_seconds = 2


# Upload sessions


class InstructionMissing(InvalidRequest):
    """No file of the required category is declared."""

    message = "An upload session needs at least one instruction file."


class UploadSessionNotFound(InletError):
    """The caller has no upload session of this id."""

    message = "Upload session not found."


class SessionFileNotFound(InletError):
    """The session has no registered file of this id."""

    message = "File not found in this upload session."


class UploadSessionClosed(InletError):
    """The session has ended, or is being finalized; `details["status"]` says which."""

    message = "This upload session is no longer active."


class FileNotDeclared(InletError):
    """The file was not declared when the session was created."""

    message = "This file was not declared when the upload session was created."


class MultipartOnly(InletError):
    """Uppy asked for a form to send a file in."""

    message = "Files are sent in parts here: set `shouldUseMultipart: true`."


class FileAlreadyCompleted(InletError):
    """The file is complete; `details["fileUrl"]` is what a client that lost the first answer wants."""

    message = "This file has already been completed."


class PartsMismatch(InletError):
    """The parts named are not the parts uploaded; `details` say which were expected."""

    message = "The parts differ from what was uploaded."


class UploadLost(InletError):
    """The bucket has neither the parts nor the file; it can be registered again."""

    message = "Storage no longer has this upload. Please register the file again."


class FilesIncomplete(InletError):
    """Declared files are not completed; `details["files"]` names them."""

    message = "Some files of this upload session are not completed yet."


class FinalizeInProgress(InletError):
    """Another call is finalizing the session, or verification needs another call."""

    message = "This upload session is being finalized. Please ask again."
    retry_after_seconds = 1


class ContentMismatch(InletError):
    """Files are not what they were declared to be. `details["files"]` names them and what differs."""

    message = (
        "Some files are not what they were declared to be. Please check them: `details.files` says what was found."
    )


class UploadSessionCompleted(InletError):
    """The session is completed: its files are in use, so it is not aborted."""

    message = "This upload session is completed and can no longer be aborted."


# Speaking sessions


class MissingAudio(InletError):
    """The request brings no recording and announces none."""

    message = "Audio file is required"


class InvalidDuration(InletError):
    """The duration is not a finite number of seconds, 0 or more."""

    message = "Valid duration is required"


class InvalidRecording(InletError):
    """The recording is not audio: its type says so, or its bytes do."""

    message = "File must be an audio file"


class RecordingTooLarge(InletError):
    """A recording over 50 MB."""

    message = "File size exceeds 50MB limit"


class FormTooLarge(InletError):
    """A form that a function's request may not carry."""

    message = (
        "A form may have at most 4.4 MB. Send a larger recording straight to storage: POST /api/sessions with JSON "
        '{"contentType", "size", "duration"}, then PUT the file to the uploadUrl of the answer.'
    )


class UserNotFound(InletError):
    """The caller has never recorded anything."""

    message = "User not found"


class AlreadyAnalysed(InletError):
    """The recording is not one whose analysis failed; `details["status"]` says what it is."""

    message = "This recording is analysed already, or will be."


class NotAnalysable(InletError):
    """The analysis failed for good: the recording was refused, or it was tried often enough."""

    message = "This recording can't be analysed. Please record it again."


class SpeakingSessionNotFound(InletError):
    """The caller has no speaking session of this id."""

    message = "Session not found"


# Workflow stages


class StageError(InletError):
    """A stage cannot go on. The state machine decides by class name whether to retry."""


class StaleAttempt(StageError):
    """Another attempt, or the end of the job, has overtaken this execution: it must change nothing more."""

    message = "This attempt is no longer current."


class ImageRejected(StageError):
    """The image is not acceptable; the message tells its owner why."""

    message = "We couldn't read this image. Please try another photo."


class RecordingRejected(StageError):
    """The recording cannot be analysed; the message tells its speaker why."""

    message = "We couldn't hear this recording. Please record it again."


class GenerationUnavailable(StageError):
    """The image model refused or could not be reached (429, 5xx, no connection): nothing was billed."""

    message = "The image model is busy."


class GenerationTimedOut(StageError):
    """The image model did not answer in time: the call may have been billed."""

    message = "The image model took too long."


class GenerationBlocked(StageError):
    """The image model's safety filter refused; the message tells the image's owner."""

    message = "The image model declined this photo. Please try another one."


class GenerationMalformed(StageError):
    """The image model answered without a usable image; the call was billed."""

    message = "The image model gave no usable image."


class GenerationInterrupted(StageError):
    """A worker died after it called the model: the call may have been billed, so this attempt ends."""

    message = "The image model's answer was lost."


class GenerationQueued(StageError):
    """The sender has as many model calls under way as it may: this one waits in line."""

    message = "Other pictures of this sender come first."


class GenerationOverBudget(StageError):
    """The day's model calls are used up: this one waits for the next day."""

    message = "Today's model calls are used up."


class GenerationNotConfigured(StageError):
    """A setting of the image model is missing or cannot be used. No call was made; it waits until somebody mends it."""

    message = "The image model is not configured."


class GenerationMisconfigured(StageError):
    """The image model refused our key, model name or request: retrying cannot help."""

    message = "The image model is not configured correctly."


# What we depend on


class DependencyUnavailable(InletError):
    """Something we need does not answer; trying again may help."""


class DatabaseUnavailable(DependencyUnavailable):
    """Postgres cannot be reached or written, and a retry on a new connection did not help."""

    message = "Our database does not answer at the moment. Please try again."
    retry_after_seconds = 2


class StorageUnavailable(DependencyUnavailable):
    """The bucket does not answer."""


class ObjectContended(StorageUnavailable):
    """Another write, or a deletion, of the same key is under way: the bucket cannot tell yet who is first."""


class WorkflowUnavailable(DependencyUnavailable):
    """Step Functions does not answer."""


class ObjectMissing(InletError):
    """The bucket has no such object, or not with the pinned ETag."""

    message = "The stored file is missing."


class MultipartUploadGone(InletError):
    """The bucket has no such multipart upload: it was completed or aborted, or never was."""

    message = "The upload is no longer open."


class PartsRefused(InletError):
    """The bucket refuses to assemble the parts: one is missing, has another ETag, or is too small."""

    message = "The parts do not make a file."


class ObjectExists(InletError):
    """A conditional write found the key taken."""

    message = "The stored file already exists."


# Errors that several endpoints answer, named together

OF_AN_UPLOAD_SESSION = (UploadSessionNotFound, UploadSessionClosed)
OF_A_SESSION_FILE = (*OF_AN_UPLOAD_SESSION, SessionFileNotFound, FileAlreadyCompleted)
OF_A_SPEAKING_SESSION = (UserNotFound, SpeakingSessionNotFound)

PUBLIC_STAGE_ERRORS = frozenset({ImageRejected.__name__, RecordingRejected.__name__, GenerationBlocked.__name__})
"""Stage errors whose message is written for the image's owner; every other one becomes a generic sentence."""
