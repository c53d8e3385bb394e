"""Rows of image jobs as plain dataclasses: no pydantic, so functions that only read start quickly."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

from inlet.errors import AlreadyProcessing, AttemptsExhausted, NotConfirmed, UploadMismatch

if TYPE_CHECKING:
    from inlet.storage import StoredObject

MAX_ATTEMPTS = 3
"""How often one upload may be processed: the first time, and again after each failure (contract, A, process)."""

type Status = Literal["pending", "processing", "completed", "failed"]
type Stage = Literal["validating", "generating", "storing", "watermarking", "complete", "failed"]


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload as its owner's requests see it. `size` in bytes; `etag` is None until confirmed."""

    id: str
    session_token_hash: str
    key: str
    content_type: str
    size: int | None
    status: Status
    attempt: int
    etag: str | None

    def expect(self, stored: "StoredObject", *, max_bytes: int) -> None:
        """Raise `UploadMismatch` unless the object has the declared type and size (undeclared: within limits)."""
        size_agrees = stored.size == self.size if self.size is not None else 1 <= stored.size <= max_bytes
        if not size_agrees or stored.content_type.lower() != self.content_type:
            raise UploadMismatch

    def next_attempt(self) -> int:
        """The attempt that processing would run as; raises if the job is not startable.

        A pending job whose start failed keeps its number: its execution's name must not change.
        """
        if self.etag is None:
            raise NotConfirmed
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
    """The answer to a status poll. `errorMessage` is there only when the job failed."""

    success: Literal[True]
    status: Status
    stage: Stage | None
    progress: int
    resultId: str | None
    updatedAt: str
    errorMessage: NotRequired[str]


@dataclass(frozen=True, slots=True)
class StatusRow:
    """What a status poll reads, in one row."""

    session_token_hash: str
    status: Status
    stage: Stage | None
    progress: int
    result_id: str | None
    error_message: str | None
    updated_at: datetime
