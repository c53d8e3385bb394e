"""Makes the photographs the tests send: good ones as phones and cameras write them, and all kinds of bad ones.

Each function answers the bytes of one file. Nothing is read from disk.
"""

import random
import struct
import zlib
from functools import cache
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from pillow_heif import register_heif_opener

from inlet import imaging
from inlet.imaging.opening import kind_of

register_heif_opener()

SECRETS = (b"GPSLatitude-secret", b"xmp-secret", b"comment-secret", b"Camera of Secrets")
"""What `photograph(..., metadata=True)` hides (the comment not in WebP and HEIC); no derived picture may carry it."""

UPRIGHT_CORNERS = {"left top": (220, 30, 30), "right top": (30, 180, 30), "left bottom": (30, 60, 220)}
"""Where the scene's coloured corners are when it is seen upright; the fourth corner is grey."""

_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera that notes an EXIF orientation has turned the pixels it stores."""


def scene(width: int = 240, height: int = 160) -> Image.Image:
    """A picture in which every orientation looks different: a soft ground and three coloured corners."""
    ground = Image.linear_gradient("L").resize((width, height))
    picture = Image.merge(
        "RGB", (ground.point(lambda tone: 90 + tone // 4), ground, ground.point(lambda tone: 255 - tone))
    )
    draw = ImageDraw.Draw(picture)
    side = min(width, height) // 3
    for where, colour in (*UPRIGHT_CORNERS.items(), ("right bottom", (128, 128, 128))):
        left = 0 if "left" in where else width - side
        top = 0 if "top" in where else height - side
        draw.rectangle((left, top, left + side - 1, top + side - 1), fill=colour)
    return picture


@cache
def noise(width: int, height: int) -> Image.Image:
    """A picture with as much detail as a real photograph, for measuring."""
    bands = []
    for grain in (7, 11, 13):
        coarse = Image.effect_noise((width // 40, height // 40), 8 * grain).resize((width, height))
        bands.append(Image.blend(coarse, Image.effect_noise((width, height), 3 * grain), 0.3))
    return Image.merge("RGB", bands)


@cache
def grain(width: int, height: int) -> Image.Image:
    """A picture with detail everywhere that is the same in every run."""
    generator = random.Random(width * height)
    coarse, fine = (
        Image.frombytes("RGB", size, generator.randbytes(3 * size[0] * size[1])).resize((width, height))
        for size in ((width // 20, height // 20), (width, height))
    )
    return Image.blend(coarse, fine, 0.2)


def photograph(
    picture: Image.Image | None = None,
    picture_format: str = "JPEG",
    *,
    orientation: int = 1,
    metadata: bool = False,
    **options: Any,
) -> bytes:
    """One photograph: JPEG, PNG, WEBP or HEIF, stored turned as the EXIF orientation says."""
    picture = scene() if picture is None else picture
    if turn := _STORED[orientation]:
        picture = picture.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    if metadata:
        exif[0x010F] = SECRETS[3].decode()
        exif.get_ifd(0x8825)[0x001D] = SECRETS[0].decode()
        xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + SECRETS[1] + b"</x:xmpmeta>"
        if picture_format == "PNG":
            options["pnginfo"] = texts = PngInfo()
            texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
            texts.add_text("Comment", SECRETS[2].decode())
        else:
            options["xmp"] = xmp
        if picture_format == "JPEG":
            options["comment"] = SECRETS[2]
    if orientation != 1 or metadata:
        options["exif"] = exif.tobytes()
    return saved(picture, picture_format, **options)


def saved(picture: Image.Image, picture_format: str, **options: Any) -> bytes:
    """The picture as a file, with Pillow's own options."""
    if picture_format == "HEIF":
        options = {"enc_params": {"preset": "ultrafast"}} | options  # a quarter of the time, and as good to decode
    output = BytesIO()
    picture.save(output, picture_format, **options)
    return output.getvalue()


def prepared(content: bytes) -> bytes:
    """Return the model's input of a photograph, whatever its type."""
    return imaging.prepare(content, kind_of(content))


PHOTOGRAPH = saved(Image.linear_gradient("L").resize((64, 48)).convert("RGB"), "PNG")
"""A small PNG: what an upload is when its content does not matter."""


def animation(picture_format: str) -> bytes:
    """Two frames: an animated PNG, WEBP or GIF."""
    return saved(scene(), picture_format, save_all=True, append_images=[scene().rotate(90)], duration=100)


def multi_picture(second: Image.Image | None = None) -> bytes:
    """An MPO: a JPEG with a second picture behind it, as phones write depth and gain maps."""
    return saved(scene(), "MPO", save_all=True, append_images=[second or scene(64, 64)])


def heic_burst() -> bytes:
    """A HEIC with two pictures; the second one is the primary."""
    return saved(Image.new("RGB", (96, 64), "black"), "HEIF", save_all=True, append_images=[scene()], primary_index=1)


def heic_sequence() -> bytes:
    """A HEIC whose box structure announces a moving picture beside the still one."""
    still = photograph(picture_format="HEIF")
    return still + struct.pack(">I4s", 16, b"moov") + bytes(8)


def flat_png(width: int, height: int) -> bytes:
    """A PNG of any size in a few kilobytes: the pixels are zeros, made without holding them."""
    rows = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join(rows.compress(row) for _ in range(height)) + rows.flush()
    return _png(_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), _chunk(b"IDAT", data))


def webp_header(width: int, height: int) -> bytes:
    """A WebP that only claims a size: its canvas header and one dot."""
    dot = saved(Image.new("RGB", (1, 1)), "WEBP")[12:]
    canvas = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + canvas + dot
    return b"RIFF" + struct.pack("<I", len(body)) + body


def text_bomb_png(*, chunks: int, characters: int) -> bytes:
    """A PNG with compressed text chunks that are small in the file and large in memory."""
    text = _chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(b"A" * characters, 9))
    whole = saved(scene(), "PNG")
    return whole[:33] + text * chunks + whole[33:]


def scan_bomb_jpeg(scans: int) -> bytes:
    """A progressive JPEG whose first scan is repeated: each costs a pass over all pixels."""
    whole = saved(Image.new("RGB", (64, 64), "grey"), "JPEG", progressive=True)
    first = whole.index(b"\xff\xda")
    second = whole.index(b"\xff\xc4", first)
    return whole[:first] + whole[first:second] * scans + whole[second:]


def polyglot_jpeg() -> bytes:
    """A good JPEG that is a web page too, for whoever reads it from the other end."""
    return photograph() + b"<script>alert('polyglot-secret')</script>"


def svg() -> bytes:
    return b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


def pdf() -> bytes:
    return b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"


def deep_png(*, grey: int) -> bytes:
    """A 16-bit grey PNG of one tone, 0 to 65535."""
    row = b"\x00" + struct.pack(">H", grey) * 64
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 16, 0, 0, 0, 0))
    return _png(header, _chunk(b"IDAT", zlib.compress(row * 64)))


def display_p3_profile() -> bytes:
    """An ICC profile with the primaries of a phone's display (P3, gamma 2.2), written by hand."""
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 3) + b"P3\x00" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\x00",
        b"wtpt": _xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": _xyz(0.5151, 0.2412, -0.0011),
        b"gXYZ": _xyz(0.2919, 0.6922, 0.0419),
        b"bXYZ": _xyz(0.1572, 0.0666, 0.7841),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), b"curv" + bytes(4) + struct.pack(">IH", 1, round(2.2 * 256))),
    }
    table, data, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        body += bytes(-len(body) % 4)
        table += struct.pack(">4sII", name, offset + len(data), len(body))
        data += body
    content = struct.pack(">I", len(tags)) + table + data
    header = struct.pack(
        ">I4sI4s4s4s12s4s",
        128 + len(content),
        bytes(4),
        0x02400000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        bytes(12),
        b"acsp",
    )
    return header.ljust(68, b"\x00") + _s15(0.9642, 1.0, 0.8249) + bytes(48) + content


def _xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + _s15(*values)


def _s15(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def flat(picture_format: str, size: tuple[int, int] = (4000, 3000), **options: Any) -> bytes:
    """One colour, twelve megapixels of it unless told otherwise: as large in memory as any other and quickly made."""
    return saved(Image.new("RGB", size, "teal"), picture_format, **options)
