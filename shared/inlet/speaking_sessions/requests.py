"""Requests of speaking sessions, read by hand: each refusal has a code of its own, and functions start quickly."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from inlet.errors import InvalidDuration, InvalidRecording, MissingAudio, RecordingTooLarge, ValidationFailed
from inlet.speaking_sessions.media_types import ANNOUNCED, EXTENSION_OF, announced_type

MAX_RECORDING_BYTES = 50 * 1024 * 1024
MAX_TOPIC_CHARACTERS = 200

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")  # BCP 47 in shape: "en", "pt-BR", "zh-Hant-TW"
_SECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{0,15})?([eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class About:
    """A recording as its client describes it. `duration_secs` is in seconds, `language` a BCP 47 tag."""

    duration_secs: float
    language: str
    topic: str | None

    @classmethod
    def from_form(cls, fields: Mapping[str, str]) -> Self:
        """Read a form's text fields. Raise `InvalidDuration` or `ValidationFailed`."""
        text = fields.get("duration", "").strip()
        return cls._checked(float(text) if _SECONDS.fullmatch(text) else None, fields)

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> Self:
        """Read a JSON object's members. Raise `InvalidDuration` or `ValidationFailed`."""
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
    """A recording to be PUT straight to the bucket. `content_type` is `audio/…`, `size` in bytes."""

    content_type: str
    size: int
    about: About

    @classmethod
    def from_json(cls, members: object) -> Self:
        """Read a JSON body. Raise what `POST /api/sessions` documents, in the order of a form's refusals."""
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
        return cls(announced_type(declared), size, about)


def _seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            raise InvalidDuration from None
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    raise InvalidDuration


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
                    "contentType": {"type": "string", "pattern": f"^{ANNOUNCED}", "examples": sorted(EXTENSION_OF)},
                    "size": {"type": "integer", "minimum": 1, "maximum": MAX_RECORDING_BYTES, "description": "Bytes."},
                    "duration": {"type": "number", "minimum": 0, "description": "Seconds."},
                    **_ABOUT,
                },
            }
        },
    },
}
"""The body of `POST /api/sessions` for the API document. No model tells it, since both kinds are read by hand."""
