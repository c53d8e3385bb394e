"""What is refused of a HEIC before libheif sees it.

The decoder's own idea of a picture's size is the one after all cropping, and says nothing of the work: a crop hides any
size, and a grid may name one tile a thousand times. So every size the boxes name counts.
"""

from functools import cache
from typing import Any, Final

from PIL import Image

from inlet import heif
from inlet.errors import ImageRejected
from inlet.imaging import words
from inlet.imaging.limits import MAXIMUM_PIXELS

_STRIP_ROWS: Final = 32
"""Of the reduced picture, made at a time."""
_LARGEST_REDUCTION: Final = 8

_MAXIMUM_PIXELS_OF_PARTS: Final = MAXIMUM_PIXELS * 5 // 4
"""The tiles of the last row and column hang over the edge of the picture."""

_CODECS: Final = {
    b"av01": "AV1",
    b"avc1": "H.264",
    b"j2k1": "JPEG 2000",
    b"jpeg": "JPEG",
    b"unci": "no compression",
    b"vvc1": "H.266",
}


def refuse(content: bytes) -> None:
    """Refuse what is cut off, what moves, what another codec made, and what is too large in any of its parts."""
    for kind, start, end in heif.boxes(content):
        if kind == b"ftyp" and start > 16:
            break  # a clip that a phone wrote behind the picture
        if kind == b"moov":
            raise ImageRejected(words.MOVING)
        if end > len(content) and kind in (b"meta", b"mdat", b"idat"):
            raise ImageRejected(words.INCOMPLETE)
    structure = heif.read(content)
    if others := structure.coded_kinds() - heif.HEVC:
        raise ImageRejected(words.another_kind(f"a HEIF photo with {_CODECS.get(min(others), 'another codec')} inside"))
    if max(structure.sizes, default=0) > MAXIMUM_PIXELS or structure.most_pixels() > _MAXIMUM_PIXELS_OF_PARTS:
        raise ImageRejected(words.TOO_LARGE)


def readable(content: bytes) -> bytes:
    """Return the file with its first brand among the compatible ones too, where libheif looks for it."""
    size, brand = int.from_bytes(content[:4]), content[8:12]
    if size < 20 or brand in {content[start : start + 4] for start in range(16, size - 3, 4)}:
        return content
    return content[:16] + brand + content[20:]


@cache
def register() -> None:
    """Make Pillow know libheif."""
    # Imported for HEIC only: the library costs every other start. An embedded thumbnail may show something
    # else than the picture, and further images are never read.
    from pillow_heif import register_heif_opener

    # One thread: a function has one processor, and a thread that finds no memory to start with aborts the process.
    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)


def decode(opened: Any, width: int, height: int) -> Image.Image:
    """Decode what pillow-heif has opened, reduced by a whole number but no smaller than asked, strip by strip.

    Pillow would copy the picture as a whole first, with four bytes for each three that libheif gives.
    """
    frame = opened._heif_file[opened.tell()]  # there is no public way from one to the other; a test holds it to its own
    pixels = memoryview(frame.data)  # decodes
    by = min(int(max(frame.size) / max(width, height, 1)), _LARGEST_REDUCTION)
    if by < 2 or frame.mode != "RGB":
        opened.load()
        loaded: Image.Image = opened
        return loaded
    (wide, high), stride, rows = frame.size, frame.stride, by * _STRIP_ROWS
    reduced = Image.new("RGB", (-(-wide // by), -(-high // by)))
    for top in range(0, high, rows):
        bottom = min(top + rows, high)
        rows_of_it = bytes(pixels[top * stride : bottom * stride])
        strip = Image.frombuffer("RGB", (wide, bottom - top), rows_of_it, "raw", "RGB", stride, 1)
        reduced.paste(strip.reduce(by), (0, top // by))
    return reduced
