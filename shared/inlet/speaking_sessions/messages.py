"""Speaking sessions: what is asked, what is stored, what is answered.

Plain dataclasses and dictionaries, no pydantic: every refusal here has a code of its own, and functions start quickly.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self, TypedDict

from inlet.errors import InvalidDuration, InvalidRecording, MissingAudio, RecordingTooLarge, ValidationFailed
from inlet.sniffing import sniff
from inlet.times import iso_utc

MAX_RECORDING_BYTES = 50 * 1024 * 1024
MAX_TOPIC_CHARACTERS = 200
ESTIMATED_WAIT_SECS = 30
"""What a client is told to expect of the processing, in seconds (contract, C)."""

EXTENSION_OF = {
    "audio/3gpp": "m4a",  # the same container as MP4; recorders announce one and write the other
    "audio/aac": "aac",
    "audio/aiff": "aiff",
    "audio/amr": "amr",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/webm": "webm",
    "audio/x-caf": "caf",
    "audio/x-matroska": "mka",
}
"""Every kind of recording that `sniff` tells, and the extension it gets in its key."""

_OTHER_NAMES = {
    "audio/3gpp2": "audio/3gpp",
    "audio/aacp": "audio/aac",
    "audio/m4a": "audio/mp4",
    "audio/matroska": "audio/x-matroska",
    "audio/mp3": "audio/mpeg",
    "audio/opus": "audio/ogg",
    "audio/vnd.wave": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/x-aac": "audio/aac",
    "audio/x-aiff": "audio/aiff",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "audio/x-mpeg": "audio/mpeg",
    "audio/x-wav": "audio/wav",
}

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")  # BCP 47 in shape: "en", "pt-BR", "zh-Hant-TW"
_SECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{0,15})?([eE][+-]?[0-9]{1,3})?")

type RecordingStatus = Literal["CREATED", "UPLOADED", "PROCESSING", "COMPLETED", "FAILED"]


# What is asked


@dataclass(frozen=True, slots=True)
class About:
    """What a client says about a recording."""

    duration_secs: float
    language: str
    topic: str | None

    @classmethod
    def from_form(cls, fields: Mapping[str, str]) -> Self:
        """Read a form's text fields; raises `InvalidDuration` or `ValidationFailed`."""
        text = fields.get("duration", "").strip()
        return cls._checked(float(text) if _SECONDS.fullmatch(text) else None, fields)

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> Self:
        """Read a JSON object's members; raises `InvalidDuration` or `ValidationFailed`."""
        return cls._checked(members.get("duration"), members)

    @classmethod
    def _checked(cls, duration: object, others: Mapping[str, Any]) -> Self:
        seconds = _seconds(duration)
        language, topic = others.get("language"), others.get("topic")
        problems = []
        if not (language is None or (isinstance(language, str) and (not language or _LANGUAGE.fullmatch(language)))):
            problems.append({"field": "language", "message": "Should be a language tag such as en or pt-BR"})
        if not (topic is None or (isinstance(topic, str) and len(topic) <= MAX_TOPIC_CHARACTERS)):
            message = f"Should be text of at most {MAX_TOPIC_CHARACTERS} characters"
            problems.append({"field": "topic", "message": message})
        if problems:
            raise ValidationFailed(fields=problems)
        return cls(seconds, language or "en", (topic or "").strip() or None)


@dataclass(frozen=True, slots=True)
class Announcement:
    """A recording to be PUT straight to the bucket. `content_type` is one of `EXTENSION_OF`; `size` in bytes."""

    content_type: str
    size: int
    about: About

    @classmethod
    def from_json(cls, members: object) -> Self:
        """Read a JSON body. Raises as `POST /api/sessions` refuses, in the order of the form's refusals."""
        if not isinstance(members, dict):
            raise ValidationFailed(fields=[{"field": "body", "message": "Should be a JSON object"}])
        declared, size = members.get("contentType"), members.get("size")
        if declared is None:
            raise MissingAudio
        about = About.from_json(members)
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ValidationFailed(fields=[{"field": "size", "message": "Should be a number of bytes, 1 or more"}])
        if size > MAX_RECORDING_BYTES:
            raise RecordingTooLarge
        if not isinstance(declared, str):
            raise InvalidRecording
        name = _media_type(declared)
        content_type = _OTHER_NAMES.get(name, name)
        if content_type not in EXTENSION_OF:
            raise InvalidRecording
        return cls(content_type, size, about)


def sniffed_type(declared: str, head: bytes) -> str:
    """What a recording that begins with `head` really is; `InvalidRecording` unless declared and found to be audio."""
    found = sniff(head)
    if not _media_type(declared).startswith("audio/") or found not in EXTENSION_OF:
        raise InvalidRecording
    return found


def _media_type(declared: str) -> str:
    return declared.partition(";")[0].strip().lower()


def _seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            raise InvalidDuration from None
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    raise InvalidDuration


# What is stored


@dataclass(frozen=True, slots=True)
class SpeakingSession:
    """A row. `key` and `size` say where the recording lies and how many bytes it has, or, while `CREATED`, should."""

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

    def expect(self, *, size: int, head: bytes) -> None:
        """Raise `InvalidRecording` unless the stored object is the announced recording."""
        found = sniffed_type(self.content_type, head)
        if size != self.size or EXTENSION_OF[found] != EXTENSION_OF[self.content_type]:
            raise InvalidRecording(f"This is not the recording that was announced as {self.content_type}.")

    @property
    def download_name(self) -> str:
        """A Content-Disposition value (RFC 6266) made of nothing but the id and our own extension."""
        return f'attachment; filename="recording-{self.id}.{EXTENSION_OF[self.content_type]}"'


@dataclass(frozen=True, slots=True)
class SpeakingSessionDetail(SpeakingSession):
    """A row with its transcript's and its insights' rows as the database's JSON."""

    transcript: dict[str, Any] | None
    insights: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SpeakingSessionPage:
    """One page of a user's sessions, and how many there are on all pages."""

    total: int
    sessions: list[SpeakingSession]


# What is answered


class RecordingReceived(TypedDict):
    """A session whose recording is in the bucket."""

    id: str
    status: RecordingStatus
    createdAt: str
    estimatedWaitSecs: int


class RecordingAnnounced(RecordingReceived):
    """A session whose recording is to be PUT: where, with which headers, until when."""

    uploadUrl: str
    headers: dict[str, str]
    expiresAt: str


class RecordingListed(TypedDict):
    """A session in a list."""

    id: str
    status: RecordingStatus
    durationSecs: float
    language: str
    topic: str | None
    createdAt: str
    updatedAt: str


class RecordingPage(TypedDict):
    """A page of a user's sessions, newest first; `total` counts all pages."""

    sessions: list[RecordingListed]
    total: int
    page: int
    limit: int


class TranscriptSegment(TypedDict):
    """A stretch of a transcript, in seconds from the recording's start."""

    startSecs: float
    endSecs: float
    text: str


class Transcript(TypedDict):
    """What was said."""

    text: str
    language: str | None
    segments: list[TranscriptSegment]
    createdAt: str


class Insight(TypedDict):
    """What the speaker may learn from a recording."""

    id: str
    category: str
    severity: Literal["low", "medium", "high", "critical"]
    message: str
    suggestion: str | None
    createdAt: str


class RecordingDetail(RecordingListed):
    """A session with all that is known of it. `audioUrl` is presigned; null while there is no recording."""

    transcript: Transcript | None
    insights: list[Insight]
    audioUrl: str | None
    audioUrlExpiresAt: str | None


class RecordingDeleted(TypedDict):
    """The session is gone."""

    ok: Literal[True]


_ABOUT: dict[str, Any] = {
    "language": {"type": "string", "pattern": f"^({_LANGUAGE.pattern})?$", "default": "en"},
    "topic": {"type": "string", "maxLength": MAX_TOPIC_CHARACTERS},
}
CREATE_REQUEST: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "description": "A recording that fits a function's request (4.4 MB).",
                "required": ["audio", "duration"],
                "properties": {
                    "audio": {"type": "string", "format": "binary", "description": "A file of a type `audio/*`."},
                    "duration": {"type": "number", "minimum": 0, "description": "Seconds."},
                    **_ABOUT,
                },
            },
            "encoding": {"audio": {"contentType": "audio/*"}},
        },
        "application/json": {
            "schema": {
                "type": "object",
                "description": "The announcement of a recording of up to 50 MB, to be PUT to `uploadUrl`.",
                "required": ["contentType", "size", "duration"],
                "properties": {
                    "contentType": {"type": "string", "enum": sorted({*EXTENSION_OF, *_OTHER_NAMES})},
                    "size": {"type": "integer", "minimum": 1, "maximum": MAX_RECORDING_BYTES, "description": "Bytes."},
                    "duration": {"type": "number", "minimum": 0, "description": "Seconds."},
                    **_ABOUT,
                },
            }
        },
    },
}
"""The body of `POST /api/sessions` for the API document; both kinds are read by hand, so no model tells it."""


def received(session: SpeakingSession) -> RecordingReceived:
    """The answer once the recording has arrived."""
    return {
        "id": session.id,
        "status": session.status,
        "createdAt": iso_utc(session.created_at),
        "estimatedWaitSecs": ESTIMATED_WAIT_SECS,
    }


def listed(session: SpeakingSession) -> RecordingListed:
    """The session as lists show it."""
    return {
        "id": session.id,
        "status": session.status,
        "durationSecs": session.duration_secs,
        "language": session.language,
        "topic": session.topic,
        "createdAt": iso_utc(session.created_at),
        "updatedAt": iso_utc(session.updated_at),
    }


def transcript(row: dict[str, Any]) -> Transcript:
    """A row of `transcripts`, from the database's JSON."""
    return {
        "text": row["text"],
        "language": row["language"],
        "segments": row["segments"],
        "createdAt": _json_time(row["created_at"]),
    }


def insight(row: dict[str, Any]) -> Insight:
    """A row of `insights`, from the database's JSON."""
    return {
        "id": row["id"],
        "category": row["category"],
        "severity": row["severity"],
        "message": row["message"],
        "suggestion": row["suggestion"],
        "createdAt": _json_time(row["created_at"]),
    }


def _json_time(text: str) -> str:
    return iso_utc(datetime.fromisoformat(text))
