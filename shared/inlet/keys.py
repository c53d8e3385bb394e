"""Object keys. All are made here, and no part of one comes from a client."""

from collections.abc import Iterable

from inlet.identifiers import result_id_for


def original(upload_id: str, extension: str) -> str:
    """Return where the client PUTs its image."""
    return f"uploads/{upload_id}/original.{extension}"


def generated(upload_id: str) -> str:
    """Return where the model's answer waits until it is stored. One per job, so no attempt pays for it again."""
    return f"work/{upload_id}/generated"


def full(upload_id: str, extension: str) -> str:
    """Return where the full-size result lies, which stays private."""
    return f"results/{result_id_for(upload_id)}/full.{extension}"


def preview(upload_id: str) -> str:
    """Return where the watermarked preview lies."""
    return f"results/{result_id_for(upload_id)}/preview.webp"


def model_input(upload_id: str) -> str:
    """Return where the picture lies as the model is given it."""
    return f"work/{upload_id}/input.jpg"


def of_image_job(upload_id: str, original_key: str, extensions: Iterable[str]) -> list[str]:
    """Return every key that an image job may have an object under; `extensions` are those of a full-size result."""
    results = [full(upload_id, extension) for extension in extensions]
    return [original_key, model_input(upload_id), generated(upload_id), *results, preview(upload_id)]


def recording(user_id: str, session_id: str, extension: str) -> str:
    """Return where a speaking session's recording lies."""
    return f"sessions/{user_id}/{session_id}/audio.{extension}"


def prepared_recording(session_id: str) -> str:
    """Return where a recording lies as models are given it: FLAC, one channel."""
    return f"work/{session_id}/audio.flac"


def sound(session_id: str) -> str:
    """Return where it is written down what is heard in a recording without understanding a word."""
    return f"work/{session_id}/sound.json"


def transcript(session_id: str) -> str:
    """Return where a recording's words wait until the analysis is completed. No attempt pays for them again."""
    return f"work/{session_id}/transcript.json"


def findings(session_id: str) -> str:
    """Return where the numbers and hints wait likewise."""
    return f"work/{session_id}/findings.json"


def of_analysis(session_id: str) -> list[str]:
    """Return every key that the analysis of a recording may have an object under."""
    return [prepared_recording(session_id), sound(session_id), transcript(session_id), findings(session_id)]


def session_files(session_id: str) -> str:
    """Return the prefix of all that an upload session has in the bucket."""
    return f"files/{session_id}/"


def session_file(session_id: str, file_id: str) -> str:
    """Return where a file of an upload session lies. Each registration gets a new id and therefore a new key."""
    return f"{session_files(session_id)}{file_id}"
