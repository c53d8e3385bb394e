"""Writes PNGs chunk by chunk: with any chunk more, with wrong checksums, and with pixels that unpack to anything."""

import struct
import zlib
from functools import cache

from tests.support import photographs


def chunk(kind: bytes, data: bytes, *, wrong_checksum: bool = False) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ wrong_checksum)


def header(width: int, height: int, *, bits: int = 8, colour: int = 2, interlaced: bool = False) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced))


def png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


def with_chunk(
    kind: bytes,
    data: bytes,
    *,
    of: bytes | None = None,
    wrong_checksum: bool = False,
    after_pixels: bool = False,
    after_first: bytes = b"IHDR",
    times: int = 1,
) -> bytes:
    """Return the scene (or `of`) with one chunk more, behind its header, its pixels, or the first chunk named."""
    whole = of or photographs.saved(photographs.scene(), "PNG")
    name = whole.index(after_first)
    at = len(whole) - 12 if after_pixels else name + 8 + int.from_bytes(whole[name - 4 : name])
    return whole[:at] + chunk(kind, data, wrong_checksum=wrong_checksum) * times + whole[at:]


def with_wrong_adler() -> bytes:
    """Return a picture whose chunks are sound and whose packed pixels end in a wrong checksum."""
    packed = zlib.compress((b"\x00" + bytes(range(90))) * 30)
    return png(header(30, 30), chunk(b"IDAT", packed[:-1] + bytes([packed[-1] ^ 1])))


@cache
def zeros(count: int) -> bytes:
    """Return as many zeros as asked, packed a thousand to one: one packed piece over and over, for a gigabyte costs."""
    piece = bytes(1024 * 1024)
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)  # refers to nothing before it
    last = packer.compress(bytes(count % len(piece))) + packer.flush()
    checksum = (count % 65521) << 16 | 1  # Adler-32 of zeros
    return b"\x78\xda" + packed * (count // len(piece)) + last + struct.pack(">I", checksum)
