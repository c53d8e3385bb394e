"""The kinds of recording that are taken in: their MIME types, other names of these, and file extensions."""

import re

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
    "audio/x-hx-aac-adts": "audio/aac",
    "audio/x-m4a": "audio/mp4",
    "audio/x-mpeg": "audio/mpeg",
    "audio/x-wav": "audio/wav",
}


ANNOUNCED = "audio/[a-z0-9][a-z0-9.+_-]{0,60}"
"""What may be announced: any audio. Its bytes decide what it is, once they are there."""


def announced_type(declared: str) -> str:
    """Return the usual name of an announced type. Raise `InvalidRecording` unless it is `audio/…`."""
    name = media_type(declared)
    if not re.fullmatch(ANNOUNCED, name):
        raise InvalidRecording
    return OTHER_NAMES.get(name, name)


def extension(content_type: str) -> str:
    """Return the file extension of a recording; a neutral one where its type is announced and not known."""
    return EXTENSION_OF.get(content_type, "audio")


def sniffed_type(declared: str, head: bytes) -> str:
    """Return a recording's type by its first bytes. Raise `InvalidRecording` unless declared and found as audio."""
    found = sniff(head)
    if not media_type(declared).startswith("audio/") or found not in EXTENSION_OF:
        raise InvalidRecording
    return found
