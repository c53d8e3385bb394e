"""What a generator returns."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Generated:
    """A picture the generator made: its file and its MIME type (JPEG, PNG or WebP)."""

    content: bytes
    content_type: str
