"""The web client's files, ready to serve: read once, named by their content, compressed by the build or on first use.

A request is a look-up in a table, so no path can lead out of the folder. What `make build` made of the pages' scripts
and styles lies in `assets/`, under names that hold a digest. The plain files, which `make run` serves, pages name under
`/web/…`; here that becomes `/web/{version}/…`, where the version is a digest of all of these. Both ways browsers keep
them for a year without asking again (each question would be an invocation), and never mix two releases.
"""

import gzip
import hashlib
import re
from functools import cached_property
from html import escape
from pathlib import Path

ASSETS = "assets"
"""Where files lie whose names hold a digest of their content."""

FOLDERS = ("app", ASSETS, "client", "vendor")
"""What is public beside the pages. On Lambda the layers' own folders lie next to these."""

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
}
ASK_AGAIN = "no-cache"  # keep it, but ask whether it has changed
FOR_EVER = "public, max-age=31536000, immutable"
WORTH_COMPRESSING = 1000  # bytes
ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""What the build compresses by, the better one first, and how those files' names end."""


class File:
    """Bytes to serve, or the file that holds them, read when it is asked for; with the media type and a strong ETag."""

    def __init__(self, source: bytes | Path, suffix: str) -> None:
        self._source = source
        self.media_type = MEDIA_TYPES[suffix]

    @cached_property
    def content(self) -> bytes:
        """As it is, uncompressed."""
        return self._source if isinstance(self._source, bytes) else self._source.read_bytes()

    @cached_property
    def etag(self) -> str:
        """Of the plain bytes, without quotes."""
        return hashlib.sha256(self.content).hexdigest()[:32]

    def encoded(self, accepted: str) -> tuple[str, bytes] | None:
        """Return the best encoding that an Accept-Encoding header takes, and the bytes; None for the plain ones."""
        offers = (offer.partition(";") for offer in accepted.split(","))
        wanted = {name.strip() for name, _, weight in offers if weight.strip() != "q=0"}
        return next((one for one in self._encodings.items() if one[0] in wanted), None)

    @cached_property
    def _encodings(self) -> dict[str, bytes]:
        """Compressed by the build, else gzipped here; none where that saves nothing worth having."""
        if len(self.content) <= WORTH_COMPRESSING:
            return {}
        if isinstance(self._source, Path):
            beside = {name: self._source.with_name(self._source.name + end) for name, end in ENCODINGS.items()}
            if built := {name: path.read_bytes() for name, path in beside.items() if path.exists()}:
                return built
        return {"gzip": gzip.compress(self.content, mtime=0)}


class Website:
    """All files of the folder. `head` is put into every page's head: what the server wants to tell the scripts."""

    def __init__(self, folder: Path, head: str = "") -> None:
        self._folder = folder
        self._head = head
        self.files = {path.relative_to(folder).as_posix(): File(path, path.suffix) for path in _public(folder)}
        plain = ((name, file) for name, file in sorted(self.files.items()) if not self.never_changes(name))
        everything = "".join(f"{name} {file.etag}\n" for name, file in plain)
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
            page = re.sub(rf'"/web/(?!{ASSETS}/)', f'"/web/{self.version}/', page)
            self._pages[name] = File(page.encode(), ".html")
        return self._pages[name]

    def read(self, name: str) -> File:
        """Return a file that lies beside the pages, such as openapi.json."""
        path = self._folder / name
        return File(path, path.suffix)

    @staticmethod
    def never_changes(name: str) -> bool:
        """Return whether a file's name stands for its content."""
        return name.startswith(f"{ASSETS}/")

    def cache_control(self, name: str) -> str:
        """Return how long a browser may keep a file, by its plain name."""
        return FOR_EVER if self.never_changes(name) else ASK_AGAIN

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
