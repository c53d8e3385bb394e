"""URLs to download a stored file under the name its owner gave it, whatever that name is."""

import re
import unicodedata
from urllib.parse import quote

from inlet import storage

_ATTR_CHARS = "!#$&+-.^_`|~"  # what RFC 5987 leaves unescaped beside letters and digits
_NOT_IN_NAMES = frozenset('/\\:*?"<>|')
_NOT_IN_QUOTES = re.compile(r"[^\w !#$&()+,\-.=@\[\]^`{}~]", re.ASCII)
_LONGEST_STEM = 140
_LONGEST_EXTENSION = 30


def url(key: str, filename: str) -> str:
    """A presigned GET, valid 15 minutes, that saves the object as `filename` and never shows it as a page."""
    return storage.presign_get(key, download_name=content_disposition(filename)).url


def content_disposition(filename: str) -> str:
    """`attachment` with the name twice (RFC 6266): plain ASCII for old clients, UTF-8 (RFC 5987) for the others.

    Separators, quotes, control characters and those that turn the reading direction become `_`: what is left cannot
    end the header, name a directory, or show `gpj.exe` as `exe.jpg`.
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
    """The text without accents, and `_` for what a quoted string would need escaped."""
    return _NOT_IN_QUOTES.sub("_", unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode())


def _safe(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return "_" if hidden or character in _NOT_IN_NAMES else character
