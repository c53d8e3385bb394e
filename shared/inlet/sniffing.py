"""The type of a file by its first bytes: no library, no guess from a name.

`sniff` names the type of a file's head, `matches` holds a declared MIME type against it. Both answer for any bytes and
raise nothing. A type told by magic bytes stays the same however much more of the file is read; only `image/heif`, a
picture of an unknown codec, may then get a name. A later byte can still refute text.
"""

import codecs
import json
import re
from typing import Final

from inlet import heif

HEAD_BYTES: Final = 16 * 1024
"""How much of a file is enough: an ADTS frame (8 KB at most) and the header of the next one fit in."""

_TEXT: Final = frozenset({"text/plain", "application/json", "application/xml"})

_ACCEPTED: Final[dict[str, frozenset[str]]] = {
    "application/pdf": frozenset({"application/pdf"}),
    "image/jpeg": frozenset({"image/jpeg"}),
    "image/png": frozenset({"image/png"}),
    "image/webp": frozenset({"image/webp"}),
    "image/heic": frozenset({"image/heic"}),
    "application/xml": frozenset({"application/xml"}),
    "text/xml": frozenset({"application/xml"}),
    "application/json": frozenset({"application/json"}),
    # Neither has a magic number: any text will do that a browser would not run as a page (HTML, SVG).
    "text/plain": _TEXT,
    "text/csv": _TEXT,
}
"""Declared MIME type → what `sniff` may call the bytes."""

_MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"fLaC", "audio/flac"),
    (b"OggS\x00", "audio/ogg"),
    (b"#!AMR", "audio/amr"),
    (b"caff\x00\x01", "audio/x-caf"),
)

_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_IFF: Final = {b"AIFF": "audio/aiff", b"AIFC": "audio/aiff"}

# ISO/IEC 23008-12: `hei…` are still HEVC pictures, `hev…` sequences of them. `mif1` and `msf1` name only the
# structure: a codec's brand decides, and where there is none, the items themselves.
_HEIC_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis"})
_HEIC_SEQUENCE_BRANDS: Final = frozenset({b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_MP4_BRANDS: Final = (b"iso", b"mp4", b"M4", b"dash", b"msdh", b"avc1", b"cmf", b"f4a", b"F4A")

_WEBM_DOCTYPES: Final = {b"webm": "audio/webm", b"matroska": "audio/x-matroska"}

# WHATWG MIME Sniffing, "binary data byte": control characters no text file holds. NUL is among them.
_BINARY_CHARACTER: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_ELEMENT: Final = re.compile(r"<([A-Za-z_][\w.\-]{0,127}:)?([A-Za-z_][\w.\-]{0,127})(?=[\s/>]|$)")
_JSON_START: Final = re.compile(r'\{\s*(?:["}]|$)|\[\s*(?:["\[{\]\-0-9tfn]|$)')
# Root elements that make a browser treat text as a page (WHATWG MIME Sniffing, and a few that load things).
_PAGE_ELEMENTS: Final = re.compile(
    "a|b|body|br|div|font|h1|head|html|iframe|img|link|meta|object|p|script|style|table|title|video"
)

# MPEG audio, layers II and III: kbit/s by the header's index less one (0 is free format, 15 is forbidden).
_MPEG1_LAYER2: Final = (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_MPEG1_LAYER3: Final = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_LAYER23: Final = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG1_SAMPLE_RATES: Final = (44100, 48000, 32000)


def sniff(head: bytes) -> str | None:
    """Name the MIME type of a file that begins with `head`, or None where nothing is recognised.

    Containers that hold sound or pictures (WebM, Ogg, MP4) go by their audio name. Text is `text/plain`,
    `application/json`, `application/xml`, `text/html` or `image/svg+xml`.
    """
    head = head[:HEAD_BYTES]  # a caller may hold the whole file; the answer costs the same
    return _sniff_binary(head) or _sniff_text(_decode(head, complete=False))


def matches(declared: str, head: bytes, *, complete: bool) -> bool:
    """Tell whether a file that begins with `head` is of the declared MIME type.

    `complete` says that `head` is the whole file, which must then also end well: no half character, and JSON
    parses. Types this project takes no files of match nothing.
    """
    media_type = declared.partition(";")[0].strip().lower()
    found = sniff(head)
    if found is None and media_type in ("text/csv", "text/plain"):
        return _is_code_page_text(head[:HEAD_BYTES])
    if found is None or found not in _ACCEPTED.get(media_type, frozenset()):
        return False
    if not complete or found not in _TEXT:
        return True
    text = _decode(head, complete=True)
    return text is not None and (media_type != "application/json" or _parses(text))


def _sniff_binary(head: bytes) -> str | None:
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head.startswith((b"RIFF", b"RF64")):
        return _RIFF.get(head[8:12])
    if head.startswith(b"FORM"):
        return _IFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _sniff_iso_media(head)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _WEBM_DOCTYPES.get(_ebml_doctype(head))
    return _sniff_mpeg_audio(head)


def _sniff_iso_media(head: bytes) -> str | None:
    size = int.from_bytes(head[:4])
    if not 16 <= size <= min(len(head), 1024):
        return None
    major = head[8:12]
    brands = {major, *(head[start : start + 4] for start in range(16, size - 3, 4))}
    if major in _HEIC_SEQUENCE_BRANDS or (major == b"msf1" and brands & _HEIC_SEQUENCE_BRANDS):
        return "image/heic-sequence"
    if major in _AVIF_BRANDS or (major in (b"mif1", b"msf1") and brands & _AVIF_BRANDS):
        return "image/avif"
    if major in _HEIC_BRANDS or (major == b"mif1" and brands & _HEIC_BRANDS):
        return "image/heic"
    if major in (b"mif1", b"msf1"):
        return _sniff_heif_items(head) if major == b"mif1" else "image/heif"
    if major.startswith((b"3gp", b"3g2")):
        return "audio/3gpp"
    return "audio/mp4" if major.startswith(_MP4_BRANDS) else None


def _sniff_heif_items(head: bytes) -> str:
    """Name a still picture by the codec of its primary item; `image/heif` where the head does not tell it."""
    try:
        kinds = heif.read(head).coded_kinds()
    except ValueError:
        return "image/heif"
    if kinds and kinds <= heif.HEVC:
        return "image/heic"
    return "image/avif" if kinds == {b"av01"} else "image/heif"


def _ebml_doctype(head: bytes) -> bytes:
    """Read the DocType out of an EBML header (RFC 8794, 11.2.4); empty where there is none to see yet."""
    size, position = _ebml_size(head, 4)
    end = position + size
    if end > len(head):
        return b""
    while position < end:
        identifier = head[position : position + 2]
        # The header's elements have two-byte ids, except CRC-32 and Void: one byte, told by the top bit.
        identifier = identifier[:1] if identifier[:1] >= b"\x80" else identifier
        size, start = _ebml_size(head, position + len(identifier))
        if identifier == b"\x42\x82":
            return head[start : min(start + size, end)].rstrip(b"\x00")
        position = start + size
    return b""


def _ebml_size(head: bytes, position: int) -> tuple[int, int]:
    """Read a variable-size integer; answer it and the position behind it."""
    first = head[position] if position < len(head) else 0
    length = 9 - first.bit_length()
    value = int.from_bytes(head[position : position + length]) & ((1 << 7 * length) - 1)
    return value, position + length


def _sniff_mpeg_audio(head: bytes) -> str | None:
    if head.startswith(b"ID3"):
        tag = head[3:10]  # ID3v2: major version 2 to 4, a revision, flags, four size bytes below 0x80
        plausible = len(tag) == 7 and 2 <= tag[0] <= 4 and all(byte < 0x80 for byte in tag[3:])
        return "audio/mpeg" if plausible else None
    for frame_bytes, media_type in ((_mp3_frame_bytes, "audio/mpeg"), (_adts_frame_bytes, "audio/aac")):
        # Eleven or twelve set bits are no proof: a second frame must stand where the first one ends.
        first = frame_bytes(head)
        if first and frame_bytes(head[first:]):
            return media_type
    return None


def _mp3_frame_bytes(head: bytes) -> int:
    """Size of the MPEG layer II or III frame that `head` begins with; 0 where it is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    rate_index, sample_index, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer not in (1, 2) or rate_index in (0, 15) or sample_index == 3:
        return 0
    sample_rate = _MPEG1_SAMPLE_RATES[sample_index] >> {3: 0, 2: 1, 0: 2}[version]
    rates = _MPEG2_LAYER23 if version != 3 else _MPEG1_LAYER3 if layer == 1 else _MPEG1_LAYER2
    samples = 576 if layer == 1 and version != 3 else 1152
    return samples // 8 * rates[rate_index - 1] * 1000 // sample_rate + padding


def _adts_frame_bytes(head: bytes) -> int:
    """Size of the ADTS (AAC) frame that `head` begins with; 0 where it is none."""
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return 0
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size >= 7 else 0


def _decode(head: bytes, *, complete: bool) -> str | None:
    """Read `head` as UTF-8, or as UTF-16 with a byte order mark; None where it is no text."""
    encoding = "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head, final=complete)
    except UnicodeDecodeError:
        return None
    return text if text and not _BINARY_CHARACTER.search(text) else None


def _is_code_page_text(head: bytes) -> bool:
    """Tell text in Windows-1252, as spreadsheets still save CSV: mostly ASCII, no control character, no page."""
    try:
        text = head.decode("cp1252")
    except UnicodeDecodeError:
        return False
    mostly_ascii = sum(byte < 0x80 for byte in head) * 4 >= len(head) * 3
    return bool(text) and mostly_ascii and not _BINARY_CHARACTER.search(text) and _sniff_text(text) in _TEXT


def _sniff_text(text: str | None) -> str | None:
    if text is None:
        return None
    start = text.lstrip()
    if start.startswith("<"):
        return _sniff_markup(start)
    return "application/json" if _JSON_START.match(start) else "text/plain"


def _sniff_markup(text: str) -> str:
    """Tell a page, a drawing or data by the root element, whatever stands before it."""
    declared = re.match(r"<\?xml[\s?]", text) is not None
    rest = text
    while rest.startswith(("<?", "<!--")):
        comment = rest.startswith("<!--")
        _, ending, rest = rest.partition("-->" if comment else "?>")
        if not ending:
            # The root element lies beyond what was read. A declaration is a promise; a bare comment is one of
            # the ways a page begins (WHATWG MIME Sniffing).
            return "application/xml" if declared else "text/html" if comment else "text/plain"
        rest = rest.lstrip()
    if doctype := re.match(r"<!doctype\s+([\w:.\-]{1,128})", rest, re.IGNORECASE):
        name = doctype[1]
    elif element := _ELEMENT.match(rest):
        name = element[2]
    else:
        return "application/xml" if declared else "text/plain"
    name = name.lower()
    if name == "svg":
        return "image/svg+xml"
    if name == "html" or (_PAGE_ELEMENTS.fullmatch(name) and not declared):
        return "text/html"
    return "application/xml"


def _parses(text: str) -> bool:
    def refuse(constant: str) -> float:
        raise ValueError(constant)

    try:
        # Digits are not converted: Python refuses integers of over 4,300 digits, JSON does not.
        json.loads(text, parse_int=str, parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return True
