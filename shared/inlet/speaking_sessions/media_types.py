"""The kinds of recording that are taken in: their MIME types, other names of these, and file extensions."""

from inlet.errors import InvalidRecording
from inlet.headers import media_type
from inlet.sniffing import sniff

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
"""Every kind of recording that `sniff` recognises, and the extension it gets in its key."""

OTHER_NAMES = {
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


def announced_type(declared: str) -> str:
    """Return the type of a recording by its announced name. Raise `InvalidRecording` unless it is one of ours."""
    name = media_type(declared)
    content_type = OTHER_NAMES.get(name, name)
    if content_type not in EXTENSION_OF:
        raise InvalidRecording
    return content_type


def sniffed_type(declared: str, head: bytes) -> str:
    """Return a recording's type by its first bytes. Raise `InvalidRecording` unless declared and found as audio."""
    found = sniff(head)
    if not media_type(declared).startswith("audio/") or found not in EXTENSION_OF:
        raise InvalidRecording
    return found
