"""Replies of speaking sessions: plain dictionaries, without pydantic, so that functions start quickly."""

from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict, cast

from inlet.speaking_sessions.rows import AnalysisStage, RecordingStatus, SpeakingSession, SpeakingSessionDetail
from inlet.speaking_sessions.speech.numbers import Metrics
from inlet.times import iso_utc

ESTIMATED_WAIT_SECS = 30
"""How long a client is told to expect the processing to take, in seconds."""


class RecordingReceived(TypedDict):
    """A session whose recording is in the bucket."""

    id: str
    status: RecordingStatus
    createdAt: str
    estimatedWaitSecs: int


class RecordingAnnounced(RecordingReceived):
    """A session whose recording the client is to PUT: where, with which headers, until when."""

    uploadUrl: str
    headers: dict[str, str]
    expiresAt: str


class RecordingListed(TypedDict):
    """A session in a list. Every change raises `revision`; without `deletesAt` it is kept until its user deletes it."""

    id: str
    status: RecordingStatus
    stage: AnalysisStage | None
    progress: int
    revision: int
    durationSecs: float
    language: str
    topic: str | None
    createdAt: str
    updatedAt: str
    deletesAt: NotRequired[str]
    errorMessage: NotRequired[str]


class RecordingPage(TypedDict):
    """A page of a user's sessions, newest first; `total` counts all pages."""

    sessions: list[RecordingListed]
    total: int
    page: int
    limit: int


class TranscriptWord(TypedDict):
    """A word and when it is spoken."""

    startSecs: float
    endSecs: float
    text: str


class TranscriptSegment(TypedDict):
    """A stretch of a transcript, in seconds from the recording's start."""

    startSecs: float
    endSecs: float
    text: str
    words: NotRequired[list[TranscriptWord]]


class Transcript(TypedDict):
    """The words of a recording, and who heard them: `local` is rough, made on the machine itself."""

    text: str
    language: str | None
    engine: str
    segments: list[TranscriptSegment]
    createdAt: str


class Insight(TypedDict):
    """A hint for the speaker."""

    id: str
    category: str
    severity: Literal["low", "medium", "high", "critical"]
    message: str
    suggestion: str | None
    startSecs: NotRequired[float]
    createdAt: str


class RecordingDetail(RecordingListed):
    """A session with transcript and insights. `audioUrl` is presigned, and null while there is no recording."""

    transcript: Transcript | None
    metrics: Metrics | None
    insights: list[Insight]
    audioUrl: str | None
    audioUrlExpiresAt: str | None


class RecordingExported(RecordingListed):
    """A session as an export tells it. `audioUrl` is presigned, and null while there is no recording."""

    contentType: str
    size: int
    transcript: Transcript | None
    metrics: Metrics | None
    insights: list[Insight]
    audioUrl: str | None


class RecordingDeleted(TypedDict):
    """The session is gone."""

    ok: Literal[True]


def received(session: SpeakingSession) -> RecordingReceived:
    """Return the reply once the recording has arrived."""
    return {
        "id": session.id,
        "status": session.status,
        "createdAt": iso_utc(session.created_at),
        "estimatedWaitSecs": ESTIMATED_WAIT_SECS,
    }


def listed(session: SpeakingSession) -> RecordingListed:
    """Return the session as lists show it."""
    shown: RecordingListed = {
        "id": session.id,
        "status": session.status,
        "stage": session.stage,
        "progress": session.progress,
        "revision": session.revision,
        "durationSecs": session.duration_secs,
        "language": session.language,
        "topic": session.topic,
        "createdAt": iso_utc(session.created_at),
        "updatedAt": iso_utc(session.updated_at),
    }
    if session.deletes_at:
        shown["deletesAt"] = iso_utc(session.deletes_at)
    if session.status == "FAILED" and session.error_message:
        shown["errorMessage"] = session.error_message
    return shown


def transcript(row: dict[str, Any]) -> Transcript:
    """Return a transcript from the database's JSON of its row."""
    return {
        "text": row["text"],
        "language": row["language"],
        "engine": row["engine"],
        "segments": row["segments"],
        "createdAt": _json_time(row["created_at"]),
    }


def insight(row: dict[str, Any]) -> Insight:
    """Return an insight from the database's JSON of its row."""
    told: Insight = {
        "id": row["id"],
        "category": row["category"],
        "severity": row["severity"],
        "message": row["message"],
        "suggestion": row["suggestion"],
        "createdAt": _json_time(row["created_at"]),
    }
    if row["start_secs"] is not None:
        told["startSecs"] = row["start_secs"]
    return told


def metrics(session: SpeakingSessionDetail) -> Metrics | None:
    """Return the numbers as the analysis left them."""
    return cast("Metrics | None", session.metrics)


def _json_time(text: str) -> str:
    return iso_utc(datetime.fromisoformat(text))
