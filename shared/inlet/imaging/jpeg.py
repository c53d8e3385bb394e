"""What Pillow leaves open of a JPEG: which kind it is, how much work it is, and whether all its rows are there.

Every viewer shows a JPEG whose last two bytes, the end marker, are missing; Pillow refuses it. And it takes one that
was cut in half and ended with a marker: libjpeg fills the missing rows with grey. So the rows decide here.
"""

import re
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from PIL import Image, ImageFile, JpegImagePlugin

from inlet.errors import ImageRejected
from inlet.imaging import words

FORMAT: Final = JpegImagePlugin.JpegImageFile.format
MAXIMUM_SCANS: Final = 100
"""A progressive JPEG has about ten. One more pass over all pixels costs an attacker a few bytes."""
MAXIMUM_SEGMENTS: Final = 5_000
"""A large colour profile or a phone's depth map takes some hundreds."""

_MARKER: Final = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
_END: Final = b"\xff\xd9"
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_NO_FRAMES: Final = frozenset({0xC4, 0xC8, 0xCC})
_SEQUENTIAL: Final = frozenset({0xC0, 0xC1})
_LOSSLESS: Final = 0xC3
_LAST_HUFFMAN: Final = 0xC8
_LOOKAHEAD: Final = b"\x55" * 8
"""libjpeg fills its 64 bits before it decodes the last few: without this it waits although nothing is missing."""
_FILLERS: Final = (b"\x55" * 64, b"\xaa" * 64)
"""Each bit of one is the opposite of the other's, and neither holds a marker."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What the markers of a JPEG's first picture say, and where its end marker stands or belongs."""

    frame: int
    scans: int
    complete: bool
    """Every coefficient of every colour has been sent to its last bit, if its scan was not cut."""
    end: int
    ended: bool

    @property
    def streams(self) -> bool:
        """Whether the decoder hands out rows while it reads, not only after the end marker."""
        return self.frame in _SEQUENTIAL and self.scans == 1

    @property
    def reducible(self) -> bool:
        """Whether the decoder can scale it down: without a cosine transform it fails in trying."""
        return self.frame != _LOSSLESS


def read(content: bytes) -> Structure:
    """Walk the markers, and refuse what takes too much work and what no decoder here can read."""
    scans = segments = position = frame = 0
    missing, end = set[tuple[int, int]](), None
    while marker := _MARKER.search(content, position):
        kind, start = marker[1][0], marker.end()
        if kind == _END_OF_IMAGE:
            end = marker.start()
            break
        position = start + int.from_bytes(content[start : start + 2])
        segment = content[start + 2 : position]
        if not frame and 0xC0 <= kind <= 0xCF and kind not in _NO_FRAMES:
            frame = kind
            _refuse_unreadable(frame, bits=int.from_bytes(segment[:1]))
            missing = {(colour, place) for colour in segment[6::3] for place in range(64)}
        if kind == _START_OF_SCAN:
            scans += 1
            missing -= _sent(segment, frame)
        segments += 1
        if scans > MAXIMUM_SCANS or segments > MAXIMUM_SEGMENTS:
            raise ImageRejected(words.TOO_MANY_PIECES)
    end, found = (len(content.rstrip(b"\xff")), False) if end is None else (end, True)
    return Structure(frame, scans, bool(scans) and not missing, end, found)


def _sent(scan: bytes, frame: int) -> set[tuple[int, int]]:
    """Return the coefficients, by colour and place, that a scan's header announces to their last bit."""
    count = int.from_bytes(scan[:1])
    colours, (first, last, approximation) = scan[1 : 1 + 2 * count : 2], scan[1 + 2 * count :][:3].ljust(3, b"\xff")
    if frame == _LOSSLESS:
        first, last, approximation = 0, 63, 0  # other numbers stand there
    return (
        set() if approximation & 0x0F else {(colour, place) for colour in colours for place in range(first, last + 1)}
    )


def ended(content: bytes, structure: Structure) -> bytes:
    """Return the picture with an end marker, whether it has come with one or not."""
    return content if structure.ended else content[: structure.end] + _END


def _refuse_unreadable(frame: int, bits: int) -> None:
    """Refuse the kinds that no browser shows either."""
    if frame > _LAST_HUFFMAN:
        raise ImageRejected(words.another_kind("a JPEG with arithmetic coding"))
    if frame > _LOSSLESS:
        raise ImageRejected(words.another_kind("a hierarchical JPEG"))
    if bits != 8 and 2 <= bits <= 16:
        raise ImageRejected(words.another_kind(f"a JPEG with {bits} bits a colour"))


def prove(content: bytes, structure: Structure) -> None:
    """Decode the picture as small as the decoder can, and refuse it unless every row is in its data.

    A progressive picture that was cut and ended with a marker lacks some detail at most, and is not told.
    """
    body = content[: structure.end]
    if structure.ended and structure.streams:
        whole = _reaches_last_row(body) or _needs_nothing_more(body)
    else:
        image = _open(ended(content, structure))
        if structure.reducible:
            image.draft(None, (1, 1))
        image.load()
        whole = structure.ended or (structure.complete and _needs_nothing_more(body))
    if not whole:
        raise ImageRejected(words.INCOMPLETE)


def _reaches_last_row(body: bytes) -> bool:
    """Tell whether the decoder, which must wait for more where data are missing, gets to the last row.

    Rows it never reached are black. A picture that truly ends in black is not told here.
    """
    image = _open(body + _LOOKAHEAD)
    image.draft(None, (1, 1))
    try:
        image.load()
    except OSError as error:
        if "truncated" not in str(error):
            raise
    image.tile = []  # nothing more will be decoded
    return image.crop((0, image.height - 1, image.width, image.height)).getbbox() is not None


def _needs_nothing_more(body: bytes) -> bool:
    """Tell whether the picture stays the same whatever follows: what misses even one bit would take it from there."""
    one, other = (zlib.crc32(_open(body + filler + _END).tobytes()) for filler in _FILLERS)
    return one == other


def _open(content: bytes) -> ImageFile.ImageFile:
    return Image.open(BytesIO(content), formats=[FORMAT])
