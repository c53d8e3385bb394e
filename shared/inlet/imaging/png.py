"""What Pillow leaves open of a PNG: the checksums of its pixels, and how far its small chunks unpack.

Pillow never compares an IDAT chunk's checksum, and refuses a wrong one where viewers shrug. So the chunks are walked
here, as libpng does it: damage to a critical chunk counts, a damaged ancillary chunk is dropped.
"""

import zlib
from collections.abc import Iterator
from typing import Final

from inlet.errors import ImageRejected
from inlet.imaging import words
from inlet.imaging.limits import MAXIMUM_PROFILE_BYTES, MAXIMUM_TEXT_BYTES

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_BEFORE_PIXELS: Final = frozenset({b"PLTE", b"tRNS", b"iCCP"})
_TEXTS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_KEPT: Final = frozenset({b"IHDR", b"IDAT", b"IEND", *_BEFORE_PIXELS, b"eXIf", *_TEXTS})
"""What decides how the picture looks; Pillow reads an orientation from texts too."""
_SINGLE: Final = frozenset({b"tRNS", b"iCCP", b"eXIf"})
_INDEXED: Final = 3
_MOST_CHUNKS: Final = 100_000
_PIECE_BYTES: Final = 1024 * 1024


def readable(content: bytes) -> bytes:
    """Return the still picture in `content` with no chunk that could only harm, or raise ImageRejected."""
    seen, kept, text_bytes, whole = set[bytes](), [memoryview(_SIGNATURE)], 0, True
    needs_palette = False
    for kind, chunk in _chunks(content):
        data = chunk[8:-4]
        if kind == b"IEND":  # holds no pixel, so its checksum may be wrong
            return content if whole else b"".join([*kept, chunk])
        if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
            if kind[:1].isupper():
                raise ImageRejected(words.DAMAGED)
            whole = False
            continue
        if kind == b"IHDR":
            needs_palette = len(data) > 9 and data[9] == _INDEXED
        elif needs_palette and _lacks_palette(kind, data, seen):
            raise ImageRejected(words.DAMAGED)  # its pixels are numbers of colours that nobody named
        if _moves(kind, data, seen):
            raise ImageRejected(words.MOVING)
        useless = (
            kind not in _KEPT or (kind in _SINGLE and kind in seen) or (kind in _BEFORE_PIXELS and b"IDAT" in seen)
        )
        seen.add(kind)
        if useless or (kind == b"iCCP" and not _holds_profile(data)):
            whole = False
            continue
        text_bytes += _text_bytes(kind, data, MAXIMUM_TEXT_BYTES - text_bytes)
        if text_bytes > MAXIMUM_TEXT_BYTES:
            raise ImageRejected(words.TOO_MUCH_TEXT)
        kept.append(chunk)
    raise ImageRejected(words.INCOMPLETE)


def _chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Walk the whole chunks: kind, and length, kind, data and checksum in one piece."""
    view, start = memoryview(content), len(_SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        end = start + 12 + int.from_bytes(view[start : start + 4])
        if end > len(view):
            return
        yield bytes(view[start + 4 : start + 8]), view[start:end]
        start = end
    raise ImageRejected(words.TOO_MANY_PIECES)


def _lacks_palette(kind: bytes, data: memoryview, seen: set[bytes]) -> bool:
    """Tell whether pixels come before a palette, or a palette is none."""
    if kind == b"PLTE":
        return not data or len(data) % 3 != 0
    return kind == b"IDAT" and b"PLTE" not in seen


def _moves(kind: bytes, data: memoryview, seen: set[bytes]) -> bool:
    """Tell an animation: one that announces frames, or shows another picture than the one all viewers know."""
    announced = kind == b"acTL" and b"IDAT" not in seen
    return (announced and int.from_bytes(data[:4]) > 1) or (kind == b"fdAT" and b"acTL" in seen)


def _holds_profile(data: memoryview) -> bool:
    """Tell whether a colour profile can be unpacked; refuse one that unpacks without end."""
    _, _, rest = bytes(data).partition(b"\x00")
    size, sound = _unpack(rest[1:], MAXIMUM_PROFILE_BYTES)
    if size > MAXIMUM_PROFILE_BYTES:
        raise ImageRejected(words.TOO_LARGE_PROFILE)
    return sound and rest[:1] == b"\x00"


def _text_bytes(kind: bytes, data: memoryview, most: int) -> int:
    """Return the size of a text, unpacked where it is packed; 0 for every other chunk."""
    if kind not in _TEXTS or len(data) > most:
        return len(data) if kind in _TEXTS else 0
    _, _, rest = bytes(data).partition(b"\x00")
    if kind == b"zTXt":
        return _unpack(rest[1:], most)[0]
    if kind == b"iTXt" and rest[:1] != b"\x00":
        return _unpack(rest[2:].split(b"\x00", 2)[-1], most)[0]
    return len(data)


def _unpack(packed: bytes, most: int) -> tuple[int, bool]:
    """Unpack a zlib stream, and forget it: its size, or anything above `most`, and whether it is sound so far."""
    decompressor, size = zlib.decompressobj(), 0
    try:
        while size <= most and (piece := decompressor.decompress(packed, _PIECE_BYTES)):
            size, packed = size + len(piece), decompressor.unconsumed_tail
    except zlib.error:
        return size + _PIECE_BYTES, False  # the work was done, for nothing
    return size, True
