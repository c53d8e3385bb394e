"""The sentences a person reads when a photo is refused: what was found, and what to do."""

from typing import Final

from inlet.imaging.limits import MINIMUM_SIDE

NAMES: Final = {
    "image/jpeg": "a JPEG",
    "image/png": "a PNG",
    "image/webp": "a WebP",
    "image/heic": "a HEIC",
    "image/gif": "a GIF",
    "image/avif": "an AVIF",
    "image/svg+xml": "an SVG drawing",
    "text/html": "a web page",
    "application/pdf": "a PDF",
}

EMPTY: Final = "This file is empty. Please choose a photo."
UNKNOWN: Final = "We can't read this kind of file. Please choose a JPEG, PNG, WebP or HEIC photo."
INCOMPLETE: Final = "This photo is incomplete: its end is missing. Please upload it again."
DAMAGED: Final = "This photo is damaged and can't be opened. Please try another one."
TOO_LARGE: Final = "This photo has more than 40 megapixels. Please choose a smaller one."
TOO_DEMANDING: Final = "This photo takes too much memory to open. Please save it as an ordinary JPEG and send that."
TOO_SMALL: Final = f"This photo is less than {MINIMUM_SIDE} pixels wide or high. Please choose a larger one."
TOO_NARROW: Final = "This picture is too long and narrow. Please choose a photo of an ordinary shape."
MOVING: Final = "This is an animation, not a photo. Please choose a still picture."
TOO_MUCH_TEXT: Final = "This photo carries too much hidden text. Please save it again as a plain photo."
TOO_LARGE_PROFILE: Final = "This photo carries a colour profile that is far too large. Please save it again without."
TOO_MANY_PIECES: Final = "This photo is stored in a way we can't accept. Please save it again as a JPEG."


def another_kind(name: str) -> str:
    """Return the refusal of a file that is fine, but of a kind nobody here can read."""
    return f"This is {name}, which we can't read. Please save it as an ordinary JPEG and send that."


def mislabelled(declared_type: str, found: str) -> str:
    """Return the refusal of a photo that is another kind than its sender said."""
    declared = NAMES.get(declared_type, "something else")
    return f"This photo was sent as {declared} but is {NAMES[found]}. Please save it as a JPEG and send that."
