"""Google's Gemini image model: one call, one picture. `inlet.gemini` has what every call has in common."""

from typing import Any, Final

from google.genai import types

from inlet import gemini
from inlet.errors import GenerationBlocked, GenerationMalformed, GenerationNotConfigured
from inlet.image_jobs.generation.picture import Generated
from inlet.image_jobs.generation.prompts import get_prompt
from inlet.settings import InvalidSetting, settings
from inlet.sniffing import sniff

DEFAULT_MODEL: Final = "gemini-nano-banana-2.1"
"""The successor of gemini-3.1-flash-image, which was shut down on 29 October 2026."""

_CONTENT_TYPES: Final = ("image/jpeg", "image/png", "image/webp")


def require_configured() -> None:
    """Raise `GenerationNotConfigured` for settings with which no call could be sent.

    Their exceptions could not be told from those of an unreadable answer.
    """
    gemini.require_configured()
    try:
        get_prompt(settings.prompt_version)
    except InvalidSetting as error:
        raise GenerationNotConfigured(str(error)) from None


def generate(image: bytes) -> Generated:
    """Ask the model once, for at most `settings.gemini_timeout_seconds` of wall clock."""
    request = _request(image)
    return _picture(gemini.ask(lambda client: client.aio.models.generate_content(**request)))


def _request(image: bytes) -> dict[str, Any]:
    return {
        "model": settings.gemini_model or DEFAULT_MODEL,
        "contents": [
            types.Part.from_bytes(data=image, mime_type="image/jpeg"),
            types.Part.from_text(text=get_prompt(settings.prompt_version)),
        ],
        "config": types.GenerateContentConfig(response_modalities=["IMAGE"]),
    }


def _picture(answer: types.GenerateContentResponse) -> Generated:
    """Take the picture out of the answer, whatever the answer calls it: its bytes say what it is."""
    if answer.prompt_feedback and answer.prompt_feedback.block_reason:
        raise GenerationBlocked(reason=answer.prompt_feedback.block_reason.value)
    candidate = answer.candidates[0] if answer.candidates else types.Candidate()
    parts = candidate.content.parts if candidate.content and candidate.content.parts else []
    # Drafts that a model shows while it thinks are no results.
    pictures = [
        part.inline_data.data for part in parts if part.inline_data and part.inline_data.data and not part.thought
    ]
    if not pictures and candidate.finish_reason in gemini.REFUSALS:
        raise GenerationBlocked(reason=candidate.finish_reason.value)
    content = pictures[-1] if pictures else b""
    content_type = sniff(content)
    if content_type not in _CONTENT_TYPES or len(content) > settings.max_image_bytes:
        reason = candidate.finish_reason.value if candidate.finish_reason else None
        raise GenerationMalformed(found=content_type, size=len(content), reason=reason)
    return Generated(content, content_type)
