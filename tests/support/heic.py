"""Writes HEIC files box by box (ISO/IEC 23008-12), so that a test can say anything a phone or an attacker would say.

The coded pictures come from the encoder of pillow-heif; every size, transformation and reference around them is free.
"""

import struct
from dataclasses import dataclass, field
from functools import cache

from PIL import Image

from tests.support import photographs

PHONE_BRANDS = (b"heic", b"mif1", b"heic", b"miaf")


@dataclass(frozen=True)
class Item:
    """One item of a HEIC: what kind it is, its bytes, its properties, and the items it is made of."""

    kind: bytes
    data: bytes
    properties: list[bytes] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Coded:
    """A picture as the encoder leaves it: its bytes, and the box of its decoder's configuration."""

    data: bytes
    configuration: bytes


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, body: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags) + body)


def ftyp(*brands: bytes) -> bytes:
    return box(b"ftyp", brands[0] + bytes(4) + b"".join(brands[1:]))


def spatial_extent(width: int, height: int) -> bytes:
    """The property `ispe`: the size of an item in pixels."""
    return full_box(b"ispe", struct.pack(">II", width, height))


def clean_aperture(width: int, height: int) -> bytes:
    """The property `clap`: only the middle of the picture is shown."""
    return box(b"clap", struct.pack(">8I", width, 1, height, 1, 0, 1, 0, 1))


def grid_of(columns: int, rows: int, width: int, height: int) -> bytes:
    """The bytes of an item of kind `grid`."""
    return struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)


@cache
def coded(width: int, height: int, chroma: int = 420, colour: str = "teal") -> Coded:
    """One colour, encoded in a few kilobytes whatever its size."""
    whole = photographs.saved(Image.new("RGB", (width, height), colour), "HEIF", chroma=chroma, quality=10)
    start = whole.index(b"hvcC") - 4
    configuration = whole[start : start + int.from_bytes(whole[start : start + 4])]
    return Coded(whole[whole.index(b"mdat") + 4 :], configuration)


def heic(
    items: list[Item],
    *,
    brands: tuple[bytes, ...] = PHONE_BRANDS,
    primary: int = 1,
    before: bytes = b"",
    more: bytes = b"",
) -> bytes:
    """Return a file of these items, numbered from 1; `before` stands before the metadata box, `more` in it."""
    properties = [box_ for item in items for box_ in item.properties]
    associations, index = b"", 0
    for number, item in enumerate(items, 1):
        indices = range(index + 1, index + 1 + len(item.properties))
        associations += struct.pack(f">HB{len(indices)}H", number, len(indices), *indices)
        index += len(indices)
    infos = b"".join(
        full_box(b"infe", struct.pack(">HH4sx", number, 0, item.kind), version=2)
        for number, item in enumerate(items, 1)
    )
    references = b"".join(
        box(b"dimg", struct.pack(f">HH{len(item.parts)}H", number, len(item.parts), *item.parts))
        for number, item in enumerate(items, 1)
        if item.parts
    )

    def metadata(start: int) -> bytes:
        places = b""
        for number, item in enumerate(items, 1):
            places += struct.pack(">HHHII", number, 0, 1, start, len(item.data))
            start += len(item.data)
        return full_box(
            b"meta",
            full_box(b"hdlr", bytes(4) + b"pict" + bytes(13))
            + full_box(b"pitm", struct.pack(">H", primary))
            + full_box(b"iloc", struct.pack(">BBH", 0x44, 0, len(items)) + places)
            + full_box(b"iinf", struct.pack(">H", len(items)) + infos)
            + (full_box(b"iref", references) if references else b"")
            + box(
                b"iprp",
                box(b"ipco", b"".join(properties))
                + full_box(b"ipma", struct.pack(">I", len(items)) + associations, flags=1),
            )
            + more,
        )

    head = ftyp(*brands) + before
    start = len(head) + len(metadata(0)) + 8
    return head + metadata(start) + box(b"mdat", b"".join(item.data for item in items))


def still(
    width: int = 240,
    height: int = 160,
    *,
    shown: tuple[int, int] | None = None,
    kind: bytes = b"hvc1",
    chroma: int = 420,
    brands: tuple[bytes, ...] = PHONE_BRANDS,
    before: bytes = b"",
) -> bytes:
    """One picture; `shown` hides all but its middle."""
    picture = coded(width, height, chroma)
    crop = [clean_aperture(*shown)] if shown else []
    item = Item(kind, picture.data, [picture.configuration, spatial_extent(width, height), *crop])
    return heic([item], brands=brands, before=before)


def grid(
    columns: int,
    rows: int,
    tile: int,
    *,
    size: tuple[int, int] | None = None,
    shown: tuple[int, int] | None = None,
    chroma: int = 420,
    kind: bytes = b"hvc1",
    distinct: bool = False,
) -> bytes:
    """A picture of square tiles, as phones write it: one tile named over and over, or one item a tile.

    `size` is what the item says of itself, where it lies; `shown` hides all but its middle.
    """
    picture = coded(tile, tile, chroma)
    width, height = size or (columns * tile, rows * tile)
    count = columns * rows
    crop = [clean_aperture(*shown)] if shown else []
    whole = Item(
        b"grid",
        grid_of(columns, rows, width, height),
        [spatial_extent(width, height), *crop],
        list(range(2, 2 + count)) if distinct else [2] * count,
    )
    part = Item(kind, picture.data, [picture.configuration, spatial_extent(tile, tile)])
    return heic([whole, *[part] * (count if distinct else 1)])
