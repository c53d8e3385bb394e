"""What Pillow leaves open of a JPEG: which kind it is, how much work it is, and whether it is all there.

Every viewer shows a JPEG whose last two bytes, the end marker, are missing; Pillow refuses it. And it takes one that
was cut in half and ended with a marker: libjpeg fills the missing rows with grey, and in a progressive one leaves
the missing detail out. So what the scans hold decides here.
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
_PROGRESSIVE: Final = 0xC2
_LOSSLESS: Final = 0xC3
_LAST_HUFFMAN: Final = 0xC8
_LOOKAHEAD: Final = b"\x55" * 8
"""libjpeg fills its 64 bits before it decodes the last few: without this it waits although nothing is missing."""
_FILLER: Final = bytes((0xB5 + 167 * place) % 251 for place in range(64))
"""Put behind a picture, to see whether it is taken for a part of it. It holds no marker, and it begins unlike the zeros
that the decoder takes where nothing follows. Of many that were tried, these bits change the pixels most surely."""
_RESTART: Final = re.compile(rb"\xff[\xd0-\xd7]")
_RESTARTS: Final = 8
_STRIP: Final = 256
"""Rows."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What the markers of a JPEG's first picture say, and where its end marker stands or belongs."""

    frame: int
    scans: int
    complete: bool
    """Every coefficient of every colour has been sent to its last bit, if its scan was not cut."""
    last: int
    """Where the data of the last scan begin."""
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
    scans = segments = position = frame = last = 0
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
            scans, last = scans + 1, position
            missing -= _sent(segment, frame)
        segments += 1
        if scans > MAXIMUM_SCANS or segments > MAXIMUM_SEGMENTS:
            raise ImageRejected(words.TOO_MANY_PIECES)
    end, found = (len(content.rstrip(b"\xff")), False) if end is None else (end, True)
    return Structure(frame, scans, bool(scans) and not missing, last, end, found)


def _sent(scan: bytes, frame: int) -> set[tuple[int, int]]:
    """Return the coefficients, by colour and place, that a scan's header announces to their last bit."""
    count = int.from_bytes(scan[:1])
    colours, (first, last, approximation) = scan[1 : 1 + 2 * count : 2], scan[1 + 2 * count :][:3].ljust(3, b"\xff")
    if frame != _PROGRESSIVE:
        first, last, approximation = 0, 63, 0  # a lossless one has other numbers there, and decoders read none of them
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


def prove(content: bytes, structure: Structure, width: int, height: int) -> Image.Image:
    """Return the decoded picture, no smaller than asked, or refuse it unless all of it is in its data.

    One that hands out its rows while it is read is decoded as small as the decoder can. Any other is whole when its
    scans announce every bit of every coefficient and the last scan, the one that a cut has hit, lacks nothing.
    Standards allow to leave scans out, but no encoder known does; a file without them was cut between two.
    """
    if not structure.complete:
        raise ImageRejected(words.INCOMPLETE)
    body = content[: structure.end].rstrip(b"\xff")  # which may fill the space before a marker
    if structure.ended and structure.streams and (image := _down_to_last_row(body, width, height)):
        return image
    if image := _needing_nothing_more(body, structure.last):
        return image
    raise ImageRejected(words.INCOMPLETE)


def _down_to_last_row(body: bytes, width: int, height: int) -> Image.Image | None:
    """Return the picture if the decoder, which must wait for more where data are missing, gets to the last row.

    Rows it never reached are black. A picture that truly ends in black is not told here.
    """
    image = _open(body + _LOOKAHEAD)
    image.draft(None, (width, height))
    try:
        image.load()
    except OSError as error:
        if "truncated" not in str(error):
            raise
    image.tile = []  # nothing more will be decoded
    is_reached = image.crop((0, image.height - 1, image.width, image.height)).getbbox() is not None
    return image if is_reached else None


def _needing_nothing_more(body: bytes, last: int) -> Image.Image | None:
    """Return the picture if it stays the same whatever follows: what misses even one bit would take it from there.

    With restart markers the decoder looks for the next one first. A cut within the last ten bytes of an almost empty
    scan may stay unseen, where both followers happen to say "no more detail".
    """
    restarts = len(_RESTART.findall(body, last))
    more = b"".join(_FILLER + bytes([0xFF, 0xD0 + (restarts + ahead) % _RESTARTS]) for ahead in range(2)) + _FILLER
    image = _open(body + _END)
    return image if _checksum(image) == _checksum(_open(body + more + _END)) else None


def _checksum(image: Image.Image) -> int:
    """Decode at full size: only there every coefficient counts. In strips, or the pixels would be in memory twice."""
    image.load()
    checksum = 0
    for top in range(0, image.height, _STRIP):
        checksum = zlib.crc32(image.crop((0, top, image.width, top + _STRIP)).tobytes(), checksum)
    return checksum


def _open(content: bytes) -> ImageFile.ImageFile:
    return Image.open(BytesIO(content), formats=[FORMAT])
