"""Rows of image jobs as plain dataclasses, and the stages they go through.

They need no pydantic, so functions that only read start quickly.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

from inlet.errors import AlreadyProcessing, AttemptsExhausted, NotConfirmed, NotRetryable

if TYPE_CHECKING:
    from inlet.storage import StoredObject

EXTENSION_OF = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/heic": "heic"}
"""The image types taken in, and the extension each gets in its key."""

MAX_ATTEMPTS = 3
"""How often one upload may be processed: the first time, and again after a failure."""

PROCESSING_FAILED = "Processing failed. Please try again."
"""What the owner reads where no stage has words of its own."""

type Status = Literal["pending", "processing", "completed", "failed"]
type Stage = Literal["validating", "generating", "storing", "watermarking", "complete", "failed"]

PROGRESS: dict[Stage, int] = {"validating": 10, "generating": 30, "storing": 80, "watermarking": 90, "complete": 100}
"""The stages in their order, and the progress in percent with which a job enters each. `failed` keeps the last one.

A test holds this list together with the schema, the state machine, the API document, the README and the web client.
"""
GENERATED_PROGRESS = 70
"""The progress within `generating` once the model has answered."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload as its owner's requests see it. `size` is in bytes; `etag` is None until confirmed.

    `final`: the picture itself was refused, for the reason in `error_message`.
    """

    id: str
    token_hash: str
    key: str
    content_type: str
    size: int | None
    status: Status
    attempt: int
    etag: str | None
    final: bool
    error_message: str | None

    def agrees_with(self, stored: "StoredObject", *, max_bytes: int) -> bool:
        """Tell whether the object has the declared type and size; where none was declared, at most `max_bytes`."""
        size_agrees = stored.size == self.size if self.size is not None else 1 <= stored.size <= max_bytes
        return size_agrees and stored.content_type.lower() == self.content_type

    def next_attempt(self) -> int:
        """Return the attempt that processing would run as.

        Raises `NotConfirmed`, `AlreadyProcessing`, `NotRetryable` or `AttemptsExhausted`. A pending job whose start
        failed keeps its number: its execution's name must not change.
        """
        if self.etag is None:
            raise NotConfirmed
        if self.final:
            raise NotRetryable(self.error_message, status=self.status)
        if self.status == "failed":
            if self.attempt >= MAX_ATTEMPTS:
                raise AttemptsExhausted(status=self.status)
            return self.attempt + 1
        if self.status == "pending":
            return max(self.attempt, 1)
        raise AlreadyProcessing(status=self.status)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as a stage of its current attempt sees it."""

    upload_id: str
    attempt: int
    key: str
    content_type: str
    etag: str
    sha256: str | None
    progress: int
    full_key: str | None


class JobStatus(TypedDict):
    """The answer to a status poll. Every change raises `revision`.

    `errorMessage` is there only when the job failed, `deletesAt` when a time is set to delete it.
    """

    success: Literal[True]
    status: Status
    stage: Stage | None
    progress: int
    resultId: str | None
    revision: int
    updatedAt: str
    deletesAt: NotRequired[str]
    errorMessage: NotRequired[str]


@dataclass(frozen=True, slots=True)
class StatusRow:
    """The one row that a status poll reads."""

    token_hash: str
    status: Status
    stage: Stage | None
    progress: int
    error_message: str | None
    updated_at: datetime
    revision: int
    deletes_at: datetime | None
