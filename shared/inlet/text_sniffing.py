"""Text by its bytes, in whatever encoding: plain text, JSON, XML, or a web page that poses as one of them.

A file without NUL and without control characters is text in some encoding: the world's code pages and multi-byte
encodings use none of them as part of a character. What a browser would run as a page is told apart first.
"""

import codecs
import json
import re
from typing import Final

TEXT: Final = frozenset({"text/plain", "application/json", "application/xml"})
"""What text may be called that no browser runs."""

_BOMS: Final = (  # UTF-32 first: its mark begins like that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
# Real files hold tabs (a vertical one where FileMaker had a line's end), form feeds and escapes; WHATWG MIME Sniffing
# calls the others binary. NUL is among them.
_BINARY: Final = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_XML_BINARY: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_END_OF_FILE: Final = "\x1a"  # Ctrl-Z, which DOS programs end a text with
_MULTI_BYTE: Final = ("cp932", "gb18030", "big5hkscs", "cp949", "euc_jp")
_NO_CHARACTERS: Final = re.compile("[\uf8f0-\uf8f3]")  # what Microsoft's Shift_JIS makes of bytes that are none
_LONGEST_WITHOUT_ASCII: Final = 256
"""Bytes. Text of one byte a character has spaces, digits or line ends, which are ASCII everywhere."""

_DECLARATION: Final = re.compile(r"""<\?xml\s[^>]{0,200}?\bencoding\s*=\s*["']([A-Za-z0-9._:\-]{1,40})["']""")
# Encodings of XML by their IANA names, as Python normalises them. UTF-7 is not among them: it hides markup.
_ENCODINGS: Final = re.compile(
    r"(us-)?ascii|utf-?8|utf-?16([bl]e)?|utf-?32([bl]e)?|iso-?8859-\d{1,2}|latin-?1|(windows-?|cp)(125[0-8]|874|932|949"
    r"|866|850|437)|koi8-[rtu]|shift_?jis|windows-31j|euc-(jp|kr)|iso-2022-jp|gb2312|gbk|gb18030|big5(-hkscs)?|tis-620"
    r"|mac(intosh|roman|cyrillic)?"
)
_ELEMENT: Final = re.compile(r"<([A-Za-z_][\w.\-]{0,127}:)?([A-Za-z_][\w.\-]{0,127})(?=[\s/>]|$)")
_JSON_START: Final = re.compile(r'\{\s*(?:["}]|$)|\[\s*(?:["\[{\]\-0-9tfn]|$)')
# Root elements that make a browser treat text as a page (WHATWG MIME Sniffing, and a few that load things).
_PAGE_ELEMENTS: Final = re.compile(
    "a|b|body|br|div|font|h1|head|html|iframe|img|link|meta|object|p|script|style|table|title|video", re.IGNORECASE
)
_PAGE_ANYWHERE: Final = re.compile(rb"<\s*(!doctype\s+html|html|head|body|script|iframe|svg)\b", re.IGNORECASE)
# What may stand before the first character that counts: space, marks, and ISO 2022's switches.
_LEAD_IN: Final = re.compile("(?:\x1b[($][A-Z@]|[\\s\ufeff\x1b])*")


def sniff_text(head: bytes) -> str | None:
    """Name the type of a text that begins with `head`, or None where it is no text."""
    text = _decoded(head, complete=False)
    return None if text is None else _kind(text)


def is_text_of(declared: str, head: bytes, *, complete: bool) -> bool:
    """Tell whether a file that begins with `head` is text of the declared type: CSV, plain text, JSON or XML.

    `complete` says that `head` is the whole file, which must then also end well: no half character, and JSON parses.
    """
    if declared == "application/json":
        return _is_json(head, complete=complete)
    if declared in ("application/xml", "text/xml"):
        return _is_xml(head, complete=complete)
    text = _decoded(head, complete=complete)
    return text is not None and _kind(text) in TEXT


def holds_a_page(prefix: bytes) -> bool:
    """Tell whether markup of a web page stands anywhere in these bytes."""
    return _PAGE_ANYWHERE.search(prefix) is not None


def _decoded(head: bytes, *, complete: bool) -> str | None:
    """Read `head` as text in the encoding it is marked with, or in any; None where it is binary."""
    marked = next((encoding for bom, encoding in _BOMS if head.startswith(bom)), None)
    if marked:
        return _clean(_strictly(head, marked, complete=complete))
    text = _clean(head.decode("latin-1"))
    if text is None:
        return None
    unicode_text = _strictly(head, "utf-8", complete=complete)
    if unicode_text is not None:
        return unicode_text
    if any(_is_in(head, encoding, complete=complete) for encoding in _MULTI_BYTE):
        return text  # its ASCII is where it is in latin-1, which is all that is looked at
    stretches = re.split(rb"[\x00-\x7f]+", head)
    return text if max(map(len, stretches)) <= _LONGEST_WITHOUT_ASCII else None


def _is_in(head: bytes, encoding: str, *, complete: bool) -> bool:
    text = _strictly(head, encoding, complete=complete)
    return text is not None and not _NO_CHARACTERS.search(text)


def _strictly(head: bytes, encoding: str, *, complete: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head, final=complete)
    except (UnicodeDecodeError, LookupError):
        return None


def _clean(text: str | None) -> str | None:
    """Return the text, or None if it is empty or holds what no text holds."""
    if not text:
        return None
    return None if _BINARY.search(text.removesuffix(_END_OF_FILE)) else text


def _kind(text: str) -> str:
    start = text[_LEAD_IN.match(text).end() :]  # type: ignore[union-attr]
    if start.startswith("<"):
        return _kind_of_markup(start)
    return "application/json" if _JSON_START.match(start) else "text/plain"


def _kind_of_markup(text: str) -> str:
    """Tell a page, a drawing or data by the root element, whatever stands before it."""
    declared = re.match(r"<\?xml[\s?]", text) is not None
    rest = text
    while rest.startswith(("<?", "<!--")):
        comment = rest.startswith("<!--")
        _, ending, rest = rest.partition("-->" if comment else "?>")
        if not ending:
            # The root element lies beyond what was read. A declaration is a promise; a bare comment is one of the ways
            # a page begins (WHATWG MIME Sniffing).
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


def _is_xml(head: bytes, *, complete: bool) -> bool:
    """Tell XML by its marked or declared encoding, else UTF-8. Nothing is parsed, so no entity is expanded."""
    encoding = next((encoding for bom, encoding in _BOMS if head.startswith(bom)), None)
    if encoding is None:
        declaration = _DECLARATION.match(head[:400].decode("latin-1").lstrip())
        name = declaration[1].lower().replace("_", "-") if declaration else "utf-8"
        encoding = name if _ENCODINGS.fullmatch(name) or _ENCODINGS.fullmatch(name.replace("-", "_")) else "unknown"
    text = _strictly(head, encoding, complete=complete)
    if not text or _XML_BINARY.search(text.removesuffix(_END_OF_FILE)):
        return False
    return _kind(text) == "application/xml"


def _is_json(head: bytes, *, complete: bool) -> bool:
    """Tell JSON in UTF-8, UTF-16 or UTF-32 (RFC 8259 and the RFCs before it), marked or not."""
    text = _strictly(head, json.detect_encoding(head), complete=complete)
    if not text or _BINARY.search(text) or _kind(text) != "application/json":
        return False
    return not complete or _parses(text.removeprefix("\ufeff"))


def _parses(text: str) -> bool:
    def refuse(constant: str) -> float:
        raise ValueError(constant)

    try:
        # Digits are not converted: Python refuses integers of over 4,300 digits, JSON does not.
        json.loads(text, parse_int=str, parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return True
