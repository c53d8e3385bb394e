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
