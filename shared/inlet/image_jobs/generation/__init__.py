"""The image model behind one function. `settings.generator` chooses which; only the chosen one is imported.

Both take an upright, metadata-free JPEG (`imaging.prepare`) and answer a whole picture, or raise one of the
`Generation…` errors, whose names the state machine's Retry and Catch know. Nothing is retried here: the workflow
engine decides, since a call may cost money.
"""

from dataclasses import dataclass

from inlet.errors import GenerationMisconfigured
from inlet.settings import settings


@dataclass(frozen=True, slots=True)
class Generated:
    """A picture the generator made: its file and its MIME type (JPEG, PNG or WebP)."""

    content: bytes
    content_type: str


def generate(image: bytes) -> Generated:
    """Make the picture of `image` (JPEG), with the generator, model and prompt version of the settings.

    Raises `GenerationUnavailable` (not billed), `GenerationTimedOut` (perhaps billed), `GenerationBlocked`,
    `GenerationMalformed` (billed) or `GenerationMisconfigured`.
    """
    match settings.generator:
        case "local":
            from inlet.image_jobs.generation import local_rendering

            return local_rendering.generate(image)
        case "gemini":
            from inlet.image_jobs.generation import gemini

            return gemini.generate(image)
        case unknown:
            raise GenerationMisconfigured(f"GENERATOR must be local or gemini, not {unknown!r}.")
