"""The web client's files, ready to serve: read once, named by their content, compressed on first use.

A request is a look-up in a table, so no path can lead out of the folder. Pages name their scripts and
styles under `/web/…`; here that becomes `/web/{version}/…`, where the version is a digest of all files: browsers keep
them for a year without asking again (each question would be an invocation), and never mix two releases.
"""

import gzip
import hashlib
from functools import cached_property
from html import escape
from pathlib import Path

FOLDERS = ("app", "client", "vendor")
"""What is public beside the pages. On Lambda the layers' own folders lie next to these."""

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
}
WORTH_COMPRESSING = 1000  # bytes


class File:
    """Bytes to serve, with the media type and a strong ETag."""

    def __init__(self, content: bytes, suffix: str) -> None:
        self.content = content
        self.media_type = MEDIA_TYPES[suffix]

    @cached_property
    def etag(self) -> str:
        """Of the plain bytes, without quotes."""
        return hashlib.sha256(self.content).hexdigest()[:32]

    @cached_property
    def compressed(self) -> bytes | None:
        """Gzipped; None where that saves nothing worth having."""
        return gzip.compress(self.content, mtime=0) if len(self.content) > WORTH_COMPRESSING else None


class Website:
    """All files of the folder. `head` is put into every page's head: what the server wants to tell the scripts."""

    def __init__(self, folder: Path, head: str = "") -> None:
        self._folder = folder
        self._head = head
        self.files = {
            path.relative_to(folder).as_posix(): File(path.read_bytes(), path.suffix) for path in _public(folder)
        }
        everything = "".join(f"{name} {file.etag}\n" for name, file in sorted(self.files.items()))
        self.version = "v" + hashlib.sha256(everything.encode()).hexdigest()[:12]
        self._pages: dict[str, File] = {}

    def page(self, name: str, *, section: str = "") -> File:
        """Return the page `name` inside the shell of all pages. `section` is the navigation's link to mark."""
        if name not in self._pages:
            text = self._text(f"{name}.html")
            main = text.index("<main")
            page = self._text("shell.html")
            page = page.replace("<!-- head -->", self._head + text[:main].strip())
            page = page.replace("<!-- main -->", text[main:].strip())
            page = page.replace(f'<a href="{section}"', f'<a href="{section}" aria-current="page"')
            page = page.replace('"/web/', f'"/web/{self.version}/')
            self._pages[name] = File(page.encode(), ".html")
        return self._pages[name]

    def read(self, name: str) -> File:
        """Return a file that lies beside the pages, such as openapi.json."""
        path = self._folder / name
        return File(path.read_bytes(), path.suffix)

    def _text(self, name: str) -> str:
        return (self._folder / name).read_text("utf-8")


def meta(name: str, **content: str) -> str:
    """Return a meta tag whose values the page's scripts read as `data-` attributes."""
    attributes = "".join(f' data-{key}="{escape(value)}"' for key, value in content.items())
    return f'<meta name="{name}"{attributes}>\n'


def _public(folder: Path) -> list[Path]:
    beside = [path for suffix in (".css", ".svg") for path in folder.glob(f"*{suffix}")]
    inside = [path for name in FOLDERS for path in (folder / name).rglob("*")]
    return sorted(path for path in beside + inside if path.is_file() and path.suffix in MEDIA_TYPES)
