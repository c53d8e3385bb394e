"""The type of a file by its first bytes: no library, no guess from a name.

`sniff` names the type of a file's head, `matches` holds a declared MIME type against it. Both answer for any bytes and
raise nothing. A type told by magic bytes stays the same however much more of the file is read; only `image/heif`, a
picture of an unknown codec, may then get a name. A later byte can still refute text.
"""

from typing import Final

from inlet import heif
from inlet.audio_sniffing import sniff_mpeg_audio
from inlet.headers import media_type
from inlet.text_sniffing import holds_a_page, is_text_of, sniff_text

HEAD_BYTES: Final = 16 * 1024
"""How much of a file is enough: an ADTS frame (8 KB at most) and the header of the next one fit in."""

_BINARY_TYPES: Final = frozenset({"application/pdf", "image/jpeg", "image/png", "image/webp", "image/heic"})
_TEXT_TYPES: Final = frozenset({"text/csv", "text/plain", "application/json", "application/xml", "text/xml"})

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

# Programs that a PDF must not begin as: what runs and reads at once is sent to do harm.
_NOT_BEFORE_PDF: Final = (b"MZ", b"PK\x03\x04", b"\x7fELF", b"#!", b"\xca\xfe\xba\xbe")
_PDF_WITHIN: Final = 1024
"""Bytes within which readers look for the header: a byte order mark, blank lines or a printer's may precede it."""


def sniff(head: bytes) -> str | None:
    """Name the MIME type of a file that begins with `head`, or None where nothing is recognised.

    Containers that hold sound or pictures (WebM, Ogg, MP4) go by their audio name. Text is `text/plain`,
    `application/json`, `application/xml`, `text/html` or `image/svg+xml`.
    """
    head = head[:HEAD_BYTES]  # a caller may hold the whole file; the answer costs the same
    return _sniff_binary(head) or sniff_text(head)


def matches(declared: str, head: bytes, *, complete: bool) -> bool:
    """Tell whether a file that begins with `head` is of the declared MIME type.

    `complete` says that `head` is the whole file: a text must then also end well. Types this project takes no files of
    match nothing.
    """
    declared = media_type(declared)
    head = head[:HEAD_BYTES] if not complete else head
    if declared in _TEXT_TYPES:
        return _sniff_binary(head) is None and is_text_of(declared, head, complete=complete)
    return declared in _BINARY_TYPES and _sniff_binary(head) == declared


def _sniff_binary(head: bytes) -> str | None:
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith((b"RIFF", b"RF64")):
        return _RIFF.get(head[8:12])
    if head.startswith(b"FORM"):
        return _IFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _sniff_iso_media(head)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _WEBM_DOCTYPES.get(_ebml_doctype(head))
    return _sniff_late_pdf(head) or sniff_mpeg_audio(head)


def _sniff_late_pdf(head: bytes) -> str | None:
    before, found, _ = head[: _PDF_WITHIN + 5].partition(b"%PDF-")
    if not found or before.startswith(_NOT_BEFORE_PDF) or holds_a_page(before):
        return None
    return "application/pdf"


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
