"""Rows of speaking sessions as plain dataclasses."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from inlet.errors import InvalidRecording
from inlet.headers import content_disposition
from inlet.speaking_sessions.media_types import extension, sniffed_type

type RecordingStatus = Literal["CREATED", "UPLOADED", "PROCESSING", "COMPLETED", "FAILED"]
type AnalysisStage = Literal["preparing", "transcribing", "analysing", "completing", "complete", "failed"]

ANALYSIS_PROGRESS: dict[AnalysisStage, int] = {
    "preparing": 10,
    "transcribing": 30,
    "analysing": 80,
    "completing": 90,
    "complete": 100,
}
"""The stages in order, and the progress in percent with which an analysis enters each. `failed` keeps the last."""
TRANSCRIBED_PROGRESS = 60
"""The progress within `transcribing` once there are words."""

STILL_WRITING_SECONDS = 20 * 60
"""How long after an analysis has ended, or its session is deleted, a stage of it may still write what it made."""

ANALYSIS_FAILED = "The analysis failed. Please try again."
"""What the speaker reads where no stage has words of its own."""


@dataclass(frozen=True, slots=True)
class SpeakingSession:
    """A row. `key` is where the recording lies, `size` its bytes; both are announced only while it is `CREATED`."""

    id: str
    status: RecordingStatus
    duration_secs: float
    language: str
    topic: str | None
    key: str
    content_type: str
    size: int
    created_at: datetime
    updated_at: datetime
    revision: int
    deletes_at: datetime | None
    stage: AnalysisStage | None
    progress: int
    attempt: int
    final: bool
    error_message: str | None

    def type_of(self, *, size: int, head: bytes) -> str:
        """Return what the stored object is by its first bytes; `size` is in bytes.

        Raises `InvalidRecording` unless it is audio of the announced size.
        """
        if size != self.size:
            raise InvalidRecording(f"This recording has {size} bytes, not the announced {self.size}.")
        return sniffed_type(self.content_type, head)

    @property
    def download_name(self) -> str:
        """The recording's Content-Disposition, of its id and extension."""
        return content_disposition(f"recording-{self.id}.{extension(self.content_type)}")


@dataclass(frozen=True, slots=True)
class SpeakingSessionDetail(SpeakingSession):
    """A row with the rows of its transcript and insights, as the database's JSON."""

    transcript: dict[str, Any] | None
    metrics: dict[str, Any] | None
    insights: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Analysis:
    """A recording as a stage of its current attempt sees it."""

    session_id: str
    attempt: int
    key: str
    language: str
    progress: int


@dataclass(frozen=True, slots=True)
class SpeakingSessionPage:
    """One page of a user's sessions, and how many there are on all pages."""

    total: int
    sessions: list[SpeakingSession]
