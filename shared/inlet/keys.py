"""Object keys, all made here: no part of one ever comes from a client."""

from inlet.identifiers import result_id_for


def original(upload_id: str, extension: str) -> str:
    """Where the client PUTs its image."""
    return f"uploads/{upload_id}/original.{extension}"


def generated(upload_id: str) -> str:
    """Where the model's answer waits until it is stored; one per job, so that no attempt pays for it again."""
    return f"work/{upload_id}/generated"


def full(upload_id: str, extension: str) -> str:
    """The full-size result, which stays private."""
    return f"results/{result_id_for(upload_id)}/full.{extension}"


def preview(upload_id: str) -> str:
    """The watermarked preview."""
    return f"results/{result_id_for(upload_id)}/preview.webp"


def recording(user_id: str, session_id: str, extension: str) -> str:
    """A speaking session's recording."""
    return f"sessions/{user_id}/{session_id}/audio.{extension}"


def session_files(session_id: str) -> str:
    """The prefix of all that an upload session has in the bucket."""
    return f"files/{session_id}/"


def session_file(session_id: str, file_id: str) -> str:
    """A file of an upload session; another registration of it has another id, and so another key."""
    return f"{session_files(session_id)}{file_id}"
