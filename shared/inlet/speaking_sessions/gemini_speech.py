"""Google's Gemini as a listener: the words of a recording with their times, and remarks on them."""

import json
import re
from typing import Any, Final, Literal

from google.genai import types
from pydantic import BaseModel, Field, ValidationError

from inlet import gemini
from inlet.errors import GenerationBlocked, GenerationMalformed
from inlet.settings import settings
from inlet.speaking_sessions.speech.numbers import Metrics
from inlet.speaking_sessions.speech.words import Word

TRANSCRIBE_MODEL: Final = "gemini-3.5-transcribe"
REMARK_MODEL: Final = "gemini-3.8-flash"
MOST_REMARKS = 5
_DECLINED = "The model declined this recording. Please try another one."

_SECONDS = re.compile(r"(\d{1,5}(?:\.\d{1,9})?)s")
_PROMPT = """\
You coach people who practise speaking. Below are the transcript of a recording, and numbers computed from it.
Tell the speaker at most five things that the numbers do not tell: structure, clarity, wording, how it begins and ends.
Each is about a place in the transcript: quote three to twelve consecutive words of it, exactly as they stand there.
Write in the language of the transcript, kindly and concretely. Say nothing about pitch or voice: you cannot hear it.
"""


class Remark(BaseModel):
    """What the model says about one place."""

    category: str = Field(max_length=40)
    severity: Literal["low", "medium", "high"]
    message: str = Field(max_length=500)
    suggestion: str = Field(max_length=500)
    quote: str = Field(max_length=300)


class Remarks(BaseModel):
    """All that the model says."""

    remarks: list[Remark]


def transcribe(url: str, language: str) -> list[Word]:
    """Ask for the words of the FLAC at `url`, with every "um", and when each is spoken.

    Raises `GenerationUnavailable` (not billed), `GenerationTimedOut` (perhaps billed), `GenerationBlocked`,
    `GenerationMalformed` (billed) or `GenerationMisconfigured`.
    """
    request: dict[str, Any] = {
        "model": settings.transcribe_model or TRANSCRIBE_MODEL,
        "contents": [types.Part.from_uri(file_uri=url, mime_type="audio/flac")],
        "config": types.GenerateContentConfig(
            audio_transcription_config=types.AudioTranscriptionConfig(
                language_codes=[language], word_timestamp=True, mode=types.AudioTranscriptionConfigMode.VERBATIM
            )
        ),
    }
    parts = _parts(gemini.ask(lambda client: client.aio.models.generate_content(**request)))
    return [_word(info) for part in parts if part.audio_transcription for info in part.audio_transcription.words or []]


def remark(text: str, metrics: Metrics) -> list[Remark]:
    """Ask what numbers cannot tell. Drops whatever quotes words that are not in `text`. Raises as `transcribe` does."""
    numbers = {name: value for name, value in metrics.items() if name != "runs"}  # hundreds, and no use to it
    request: dict[str, Any] = {
        "model": settings.remark_model or REMARK_MODEL,
        "contents": [types.Part.from_text(text=f"{_PROMPT}\nNumbers: {json.dumps(numbers)}\n\nTranscript:\n{text}")],
        "config": types.GenerateContentConfig(
            response_mime_type="application/json", response_json_schema=Remarks.model_json_schema()
        ),
    }
    parts = _parts(gemini.ask(lambda client: client.aio.models.generate_content(**request)))
    try:
        found = Remarks.model_validate_json("".join(part.text or "" for part in parts if not part.thought))
    except ValidationError:
        raise GenerationMalformed(reason="not the JSON that was asked for") from None
    return [one for one in found.remarks if one.quote.strip() and one.quote in text][:MOST_REMARKS]


def _parts(answer: types.GenerateContentResponse) -> list[types.Part]:
    if answer.prompt_feedback and answer.prompt_feedback.block_reason:
        raise GenerationBlocked(_DECLINED, reason=answer.prompt_feedback.block_reason.value)
    candidate = answer.candidates[0] if answer.candidates else types.Candidate()
    if not (candidate.content and candidate.content.parts):
        if candidate.finish_reason and candidate.finish_reason in gemini.REFUSALS:
            raise GenerationBlocked(_DECLINED, reason=candidate.finish_reason.value)
        raise GenerationMalformed(reason="no parts")
    return candidate.content.parts


def _word(info: types.WordInfo) -> Word:
    start, end = _seconds(info.start_offset), _seconds(info.end_offset)
    if not info.word or start is None or end is None:
        raise GenerationMalformed(reason="a word without its time")
    return Word(info.word, start, max(start, end))


def _seconds(offset: str | None) -> float | None:
    found = _SECONDS.fullmatch(offset or "")
    return float(found[1]) if found else None
