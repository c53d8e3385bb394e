"""Opens a photograph's header: everything that can be told before a pixel is decoded is refused here."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Final

# With its plugins imported by name, Pillow has no reason to import all the others.
from PIL import Image, PngImagePlugin, WebPImagePlugin

from inlet import heif
from inlet.errors import ImageRejected
from inlet.imaging import heic, jpeg, memory, png, webp, words
from inlet.imaging.limits import (
    MAXIMUM_ASPECT,
    MAXIMUM_PIXELS,
    MAXIMUM_PROFILE_BYTES,
    MAXIMUM_TEXT_BYTES,
    MINIMUM_SIDE,
)
from inlet.sniffing import sniff

_FORMATS: Final = {
    "image/jpeg": jpeg.FORMAT,
    "image/png": PngImagePlugin.PngImageFile.format,
    "image/webp": WebPImagePlugin.WebPImageFile.format,
    "image/heic": "HEIF",
}

# What Pillow and libheif raise on broken files, by fuzzing. Anything else is a mistake of ours and passes.
DECODER_ERRORS: Final = (EOFError, OSError, RuntimeError, SyntaxError, ValueError)

# All are process-wide. Decoders that allocate as they open a file ask Pillow for the first.
Image.MAX_IMAGE_PIXELS = MAXIMUM_PIXELS
PngImagePlugin.MAX_TEXT_CHUNK = MAXIMUM_PROFILE_BYTES
PngImagePlugin.MAX_TEXT_MEMORY = MAXIMUM_TEXT_BYTES


@dataclass(frozen=True, slots=True)
class Opened:
    """A photograph whose header has been read, and the structure of a JPEG."""

    image: Image.Image
    content: bytes
    jpeg: jpeg.Structure | None

    def load(self, width: int, height: int) -> Image.Image:
        """Decode, at a reduced size if the decoder can, but no smaller than asked."""
        if self.jpeg and self.jpeg.reducible:
            self.image.draft(None, (width, height))
        return self._decoded(width, height)

    def prove(self, width: int, height: int) -> Image.Image:
        """Decode likewise, and refuse a picture that is not all there."""
        if self.jpeg:
            return jpeg.prove(self.content, self.jpeg, width, height)
        return self._decoded(width, height)

    def _decoded(self, width: int, height: int) -> Image.Image:
        if isinstance(self.image, WebPImagePlugin.WebPImageFile):
            return webp.decode(self.image)
        if self.image.format == _FORMATS["image/heic"]:
            return heic.decode(self.image, width, height)
        self.image.load()
        return self.image


def kind_of(content: bytes) -> str:
    """Return the MIME type of a photograph that can be read, or refuse it, naming what it is."""
    found = sniff(content) or ""
    if found == "image/heif":  # no codec in its brands, and none in its beginning
        heic.refuse(content)
        found = "image/heic" if heif.read(content).coded_kinds() else ""
    if found in _FORMATS:
        return found
    if not content:
        raise ImageRejected(words.EMPTY)
    if found == "image/heic-sequence":
        raise ImageRejected(words.MOVING)
    if name := words.NAMES.get(found):
        raise ImageRejected(f"This is {name}, which we can't read. Please choose a JPEG, PNG, WebP or HEIC photo.")
    raise ImageRejected(words.UNKNOWN)


def open_photograph(content: bytes) -> Opened:
    """Read the header, and refuse what it tells; no decoder but the one of the sniffed type is ever tried."""
    found, structure, received = kind_of(content), None, content
    if found == "image/jpeg":
        structure = jpeg.read(content)
        content = jpeg.ended(content, structure)
    elif found == "image/png":
        content = png.readable(content)
    elif found == "image/webp" and len(content) < 8 + int.from_bytes(content[4:8], "little"):
        raise ImageRejected(words.INCOMPLETE)
    elif found == "image/heic":
        heic.refuse(content)
        content = heic.readable(content)
    image = Image.open(BytesIO(content), formats=[_FORMATS[found]])
    if min(image.size) < MINIMUM_SIDE:
        raise ImageRejected(words.TOO_SMALL)
    if max(image.size) > MAXIMUM_ASPECT * min(image.size):
        raise ImageRejected(words.TOO_NARROW)
    if found == "image/webp" and getattr(image, "n_frames", 1) > 1:
        raise ImageRejected(words.MOVING)
    return Opened(image, received, structure)


@contextmanager
def decoding(content: bytes) -> Iterator[None]:
    """Bound a decoder's memory, and turn whatever it complains of into a sentence for a person."""
    if sniff(content) in ("image/heic", "image/heif"):
        heic.register()  # unbounded: a library that could not be loaded once is lost to the process
    try:
        with warnings.catch_warnings(), memory.bounded():
            # Pillow warns of odd but readable files, which helps nobody here, and of too many pixels, which
            # is to be an error.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageRejected(words.TOO_LARGE) from None
    except MemoryError:
        raise ImageRejected(words.TOO_DEMANDING) from None
    except DECODER_ERRORS as error:
        raise ImageRejected(words.INCOMPLETE if "truncated" in str(error) else words.DAMAGED) from error
