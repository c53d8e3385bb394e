"""Writes JPEGs of kinds that Pillow cannot write: lossless ones, and headers of those nobody reads."""

import struct

from PIL import Image

from tests.support import photographs


def lossless_jpeg(picture: Image.Image) -> bytes:
    """Return a lossless JPEG (ITU-T T.81, Annex H): every pixel as its difference from the one to the left."""
    colours, (width, height) = len(picture.getbands()), picture.size
    pixels = picture.tobytes()
    bits: list[str] = []
    for row in range(height):
        for column in range(width):
            for colour in range(colours):
                at = (row * width + column) * colours + colour
                above = pixels[at - width * colours] if row else 128
                predicted = pixels[at - colours] if column else above
                bits.append(_difference(pixels[at] - predicted))
    code = "".join(bits)
    code += "1" * (-len(code) % 8)
    scan = int(code, 2).to_bytes(len(code) // 8).replace(b"\xff", b"\xff\x00")
    frame = struct.pack(">BHHB", 8, height, width, colours)
    frame += b"".join(bytes([number, 0x11, 0]) for number in range(1, colours + 1))
    # Sixteen lengths of codes: nine codes of four bits, for the nine sizes a difference may have.
    table = bytes([0, 0, 0, 0, 9, *[0] * 12, *range(9)])
    header = bytes([colours]) + b"".join(bytes([number, 0]) for number in range(1, colours + 1)) + b"\x01\x00\x00"
    return b"\xff\xd8" + segment(0xC3, frame) + segment(0xC4, table) + segment(0xDA, header) + scan + b"\xff\xd9"


def _difference(value: int) -> str:
    size = abs(value).bit_length()
    rest = value if value > 0 else value + (1 << size) - 1
    return f"{size:04b}" + (f"{rest:0{size}b}" if size else "")


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def with_frame(marker: int, bits: int = 8) -> bytes:
    """Return an ordinary JPEG that claims to be another kind, or to have more bits a colour."""
    whole = photographs.photograph()
    start = whole.index(b"\xff\xc0")
    return whole[: start + 1] + bytes([marker]) + whole[start + 2 : start + 4] + bytes([bits]) + whole[start + 5 :]


def with_size(width: int, height: int) -> bytes:
    """Return an ordinary JPEG that claims another size than its data have."""
    whole = photographs.photograph()
    start = whole.index(b"\xff\xc0")
    return whole[: start + 5] + struct.pack(">HH", height, width) + whole[start + 9 :]


def with_segments(marker: int, body: bytes, times: int) -> bytes:
    """Return an ordinary JPEG with the same segment many times in its header."""
    whole = photographs.photograph()
    return whole[:2] + segment(marker, body) * times + whole[2:]
