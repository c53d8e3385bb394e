"""Reads what the boxes of a HEIF say of its pictures (ISO/IEC 23008-12), without a decoder and without the pixels.

A HEIF holds items: coded pictures, and pictures derived from others (a grid of tiles, an overlay). Each item has
properties, the size in pixels among them, and references to other items. `read` takes a file or its beginning: it
reads as far as the bytes go.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

HEVC: Final = frozenset({b"hvc1", b"hev1"})
DERIVED: Final = frozenset({b"grid", b"iovl", b"iden"})

_MOST_BOXES: Final = 10_000
"""In one box. A phone's picture has about a hundred properties and items; millions would only cost time."""


@dataclass(slots=True)
class Item:
    """One picture: its kind, its size in pixels, the items it is made of, and those attached to it (alpha, depth)."""

    kind: bytes = b""
    pixels: int = 0
    parts: list[int] = field(default_factory=list)
    attached: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Structure:
    """The items of a file by their number, the primary one, and the size of every property that names one."""

    primary: int | None = None
    items: dict[int, Item] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)

    def coded_kinds(self) -> frozenset[bytes]:
        """Return the kinds of the coded items that the primary picture is made of."""
        kinds, pending, seen = set[bytes](), [self.primary], set[int]()
        while pending:
            number = pending.pop()
            if number is None or number in seen or (item := self.items.get(number)) is None:
                continue
            seen.add(number)
            if item.kind in DERIVED:
                pending += item.parts
            elif item.kind:
                kinds.add(item.kind)
        return frozenset(kinds)

    def most_pixels(self) -> int:
        """Return the most pixels that decoding one item takes: its own, or those of all its parts together."""
        costs: dict[int, int] = {}
        return max((self._cost(number, costs) for number in self.items), default=0)

    def _cost(self, number: int, costs: dict[int, int]) -> int:
        """Add up the parts as often as they are named, with what is attached to each; remember every sum."""
        if number not in costs:
            item = self.items.get(number, Item())
            costs[number] = item.pixels  # what a circle of references finds
            parts = sum(
                self._cost(part, costs)
                + sum(self._cost(attached, costs) for attached in self.items.get(part, Item()).attached)
                for part in item.parts
            )
            costs[number] = max(item.pixels, parts)
        return costs[number]


def boxes(content: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Walk the boxes that stand side by side: kind, and where the body begins and ends.

    An end may lie behind that of `content`. Raises ValueError for more boxes than any picture has.
    """
    end = len(content) if end is None else min(end, len(content))
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        size, kind, body = _number(content, start, 4), content[start + 4 : start + 8], start + 8
        if size == 1:
            size, body = _number(content, body, 8), start + 16
        if size < body - start:
            if size == 0:  # up to the end
                yield kind, body, end
            return
        yield kind, body, start + size
        start += size
    raise ValueError("too many boxes")


def read(content: bytes) -> Structure:
    """Read the metadata box of a file, or of as much of it as there is."""
    structure = Structure()
    for kind, start, end in boxes(content):
        if kind == b"meta":
            _read_metadata(structure, content, start + 4, end)
    return structure


def _read_metadata(structure: Structure, content: bytes, start: int, end: int) -> None:
    for kind, body, stop in boxes(content, start, end):
        version = _number(content, body, 1)
        if kind == b"pitm":
            structure.primary = _number(content, body + 4, 4 if version else 2)
        elif kind == b"iinf":
            _read_kinds(structure, content, body + (8 if version else 6), stop)
        elif kind == b"iref":
            _read_references(structure, content, body + 4, stop, width=4 if version else 2)
        elif kind == b"iprp":
            _read_properties(structure, content, body, stop)


def _read_kinds(structure: Structure, content: bytes, start: int, end: int) -> None:
    for kind, body, _ in boxes(content, start, end):
        version = _number(content, body, 1)
        if kind == b"infe" and version >= 2:
            width = 4 if version >= 3 else 2
            place = body + 4 + width + 2
            _item(structure, _number(content, body + 4, width)).kind = content[place : place + 4]


def _read_references(structure: Structure, content: bytes, start: int, end: int, *, width: int) -> None:
    for kind, body, stop in boxes(content, start, end):
        if kind not in (b"dimg", b"auxl"):
            continue
        count = _number(content, body + width, 2)
        first = body + width + 2
        last = min(first + count * width, stop, len(content))
        numbers = [_number(content, place, width) for place in range(first, last, width)]
        source = _number(content, body, width)
        if kind == b"dimg":
            _item(structure, source).parts += numbers
        else:
            for number in numbers:
                _item(structure, number).attached.append(source)


def _read_properties(structure: Structure, content: bytes, start: int, end: int) -> None:
    inner = list(boxes(content, start, end))
    sizes = []
    for _, body, stop in (box for box in inner if box[0] == b"ipco"):
        for kind, place, _ in boxes(content, body, stop):
            is_size = kind == b"ispe"
            sizes.append(_number(content, place + 4, 4) * _number(content, place + 8, 4) if is_size else 0)
    structure.sizes += sizes
    for _, body, stop in (box for box in inner if box[0] == b"ipma"):
        _read_associations(structure, sizes, content, body, min(stop, len(content)))


def _read_associations(structure: Structure, sizes: list[int], content: bytes, body: int, end: int) -> None:
    width = 4 if _number(content, body, 1) else 2
    wide = 2 if _number(content, body + 3, 1) & 1 else 1
    place = body + 8
    for _ in range(_number(content, body + 4, 4)):
        if place >= end:
            return
        item, count = _item(structure, _number(content, place, width)), _number(content, place + width, 1)
        place += width + 1
        for at in range(place, place + count * wide, wide):
            index = _number(content, at, wide) & (0x7FFF if wide == 2 else 0x7F)  # the top bit says: essential
            if 0 < index <= len(sizes):
                item.pixels = max(item.pixels, sizes[index - 1])
        place += count * wide


def _item(structure: Structure, number: int) -> Item:
    return structure.items.setdefault(number, Item())


def _number(content: bytes, start: int, width: int) -> int:
    return int.from_bytes(content[start : start + width])
