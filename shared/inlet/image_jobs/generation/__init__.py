"""The image model behind one function. `settings.generator` chooses which; only the chosen one is imported.

Both take an upright, metadata-free JPEG (`imaging.prepare`) and return a picture, which the next stage checks, or raise
one of the `Generation…` errors, whose names the state machine's Retry and Catch know. Neither retries: a call may cost
money, so the workflow engine decides.
"""

from inlet.errors import GenerationNotConfigured
from inlet.image_jobs.generation.picture import Generated
from inlet.settings import settings


def require_configured() -> None:
    """Raise `GenerationNotConfigured` where a call could not even be sent. To be asked before one is claimed."""
    match settings.generator:
        case "local":
            return
        case "gemini":
            from inlet.image_jobs.generation import gemini

            gemini.require_configured()
        case unknown:
            raise GenerationNotConfigured(f"GENERATOR must be local or gemini, not {unknown!r}.")


def dollars() -> float:
    """Return what a call costs, as the settings estimate it."""
    return settings.picture_dollars if settings.generator == "gemini" else 0.0


def generate(image: bytes) -> Generated:
    """Make the picture of `image` (JPEG), with the generator, model and prompt version of the settings.

    Raises `GenerationUnavailable` (not billed), `GenerationTimedOut` (perhaps billed), `GenerationBlocked`,
    `GenerationMalformed` (billed), `GenerationMisconfigured`, or, before any call, `GenerationNotConfigured`.
    """
    require_configured()
    match settings.generator:
        case "local":
            from inlet.image_jobs.generation import local_rendering

            return local_rendering.generate(image)
        case _:
            from inlet.image_jobs.generation import gemini

            return gemini.generate(image)
