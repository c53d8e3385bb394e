"""Header values that several modules read or write: media types, ETags, file names."""

import re
import unicodedata
from urllib.parse import quote

_ATTR_CHARS = "!#$&+-.^_`|~"  # what RFC 5987 leaves unescaped beside letters and digits
_NOT_IN_NAMES = frozenset('/\\:*?"<>|')
_NOT_IN_QUOTES = re.compile(r"[^\w !#$&()+,\-.=@\[\]^`{}~]", re.ASCII)
_JOINERS = frozenset("\u200c\u200d")
_LONGEST_STEM = 140
_LONGEST_EXTENSION = 30


def media_type(value: str) -> str:
    """Return the type and subtype of a Content-Type in lower case, without its parameters."""
    return value.partition(";")[0].strip().lower()


def matches_etag(if_none_match: str | None, etag: str) -> bool:
    """Tell whether an `If-None-Match` header names this ETag, weakly or strongly, or any (`*`)."""
    known = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    return etag in known or "*" in known


def bare_etag(etag: str) -> str:
    """Return an ETag as it is kept and compared: without quotes, and without the `W/` that a proxy may add."""
    return etag.removeprefix("W/").strip('"')


def content_disposition(filename: str) -> str:
    """Return `attachment` with the name twice (RFC 6266): in ASCII for old clients, in UTF-8 (RFC 5987) for the others.

    Separators, quotes and control characters become `_`. Invisible characters go, those that turn the reading direction
    among them; the joiners stay, which Persian words and joined emoji are written with. The result cannot end the
    header, name a directory, or show `gpj.exe` as `exe.jpg`.
    """
    safe = "".join(_safe(character) for character in filename).strip(" .") or "file"
    stem, dot, extension = safe.rpartition(".")
    if not dot:
        stem, extension = extension, ""
    stem, extension = stem[:_LONGEST_STEM], extension[:_LONGEST_EXTENSION]
    plain = f"{_ascii(stem) or 'file'}{dot}{_ascii(extension)}"
    encoded = quote(f"{stem}{dot}{extension}", safe=_ATTR_CHARS)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


def _ascii(text: str) -> str:
    """Return the text without accents, with `_` for what a quoted string would need escaped."""
    return _NOT_IN_QUOTES.sub("_", unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode())


def _safe(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":
        return character if character in _JOINERS else ""
    return "_" if category in ("Cc", "Cs", "Zl", "Zp") or character in _NOT_IN_NAMES else character
