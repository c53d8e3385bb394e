"""Forms as browsers send them (multipart/form-data, RFC 7578), read within bounds by the `multipart` library.

No exception of the library leaves this module. File names are ignored.
"""

from dataclasses import dataclass, field

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from inlet.errors import InvalidRequest

MEDIA_TYPE = "multipart/form-data"
MAX_PARTS = 16
MAX_HEADERS = 8  # of a part; RFC 7578 knows three
MAX_HEADER_BYTES = 2048
MAX_FIELD_BYTES = 4096
_MAX_BOUNDARY_BYTES = 200  # RFC 2046 allows 70, browsers send about 40


@dataclass(frozen=True, slots=True)
class File:
    """A file of a form: the type its sender claims, and its bytes."""

    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """A form's text fields and files by name."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)


def boundary(content_type: str) -> str:
    """Return the boundary that a form's Content-Type names; empty for another type."""
    media_type, options = parse_options_header(content_type)
    named: str = options.get("boundary", "") if media_type == MEDIA_TYPE else ""
    return named


def parse(content_type: str, body: bytes) -> Form:
    """Read a form. Raise `InvalidRequest` if it is malformed, repeats a name, or exceeds the bounds.

    A part is a file when it has a file name, or a type other than text. An empty file input is left out.
    """
    form = Form()
    try:
        for segment, content in _parts(content_type, body):
            name = segment.name
            if name in form.fields or name in form.files:
                raise InvalidRequest("The form repeats a field.")
            declared = segment.header("Content-Type") or "text/plain"
            if segment.filename is None and declared.lower().startswith("text/"):
                form.fields[name] = _text(content)
            elif segment.filename or content:
                form.files[name] = File(declared, content)
    except MultipartError as error:
        raise InvalidRequest("The form could not be read.") from error
    return form


def _parts(content_type: str, body: bytes) -> list[tuple[MultipartSegment, bytes]]:
    separator = boundary(content_type)
    if not (1 <= len(separator) <= _MAX_BOUNDARY_BYTES and separator.isascii()):
        raise InvalidRequest("The form's Content-Type names no usable boundary.")
    parser = PushMultipartParser(
        separator,
        max_header_size=MAX_HEADER_BYTES,
        max_header_count=MAX_HEADERS,
        max_segment_count=MAX_PARTS,
        strict=True,
    )
    parts: list[tuple[MultipartSegment, bytes]] = []
    with parser:
        for event in parser.parse(body):
            if isinstance(event, MultipartSegment):
                parts.append((event, b""))
            elif event:
                parts[-1] = (parts[-1][0], parts[-1][1] + event)
    return parts


def _text(content: bytes) -> str:
    if len(content) > MAX_FIELD_BYTES:
        raise InvalidRequest(f"A field of the form may have at most {MAX_FIELD_BYTES} bytes.")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("A field of the form is not UTF-8.") from None
    if "\x00" in text:
        raise InvalidRequest("A field of the form contains a NUL.")
    return text
