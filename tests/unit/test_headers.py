"""Names of downloads: whatever a file was called, `Content-Disposition` is one safe header (RFC 6266, RFC 5987)."""

import re
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inlet.headers import bare_etag, content_disposition, matches_etag, media_type

HEADER = re.compile(
    r"attachment; filename=\"([^\"\\\x00-\x1f\x7f-\uffff]+)\"; filename\*=UTF-8''([\w!#$&+\-.^`|~%]+)", re.ASCII
)


@pytest.mark.parametrize(
    ("filename", "plain", "encoded"),
    [
        ("manual.pdf", "manual.pdf", "manual.pdf"),
        ("плане.pdf", "file.pdf", "%D0%BF%D0%BB%D0%B0%D0%BD%D0%B5.pdf"),
        ("😀.pdf", "file.pdf", "%F0%9F%98%80.pdf"),
        ("Ärger €.pdf", "Arger .pdf", "%C3%84rger%20%E2%82%AC.pdf"),
        ("../../etc/passwd", "_.._etc_passwd", "_.._etc_passwd"),
        ("C:\\a.pdf", "C__a.pdf", "C__a.pdf"),
        ('a"; filename="b.exe', "a__ filename=_b.exe", "a_%3B%20filename%3D_b.exe"),
        ("a\r\nSet-Cookie: x=1.pdf", "a__Set-Cookie_ x=1.pdf", "a__Set-Cookie_%20x%3D1.pdf"),
        ("fdp\u202eexe.pdf", "fdpexe.pdf", "fdpexe.pdf"),
        ("a\u2066b\u200f\u00ad\ufeff.pdf", "ab.pdf", "ab.pdf"),
        ("می\u200cخواهم.pdf", "file.pdf", quote("می\u200cخواهم.pdf")),
        ("👨\u200d👩\u200d👧.png", "file.png", quote("👨\u200d👩\u200d👧.png")),
        ("100%.pdf", "100_.pdf", "100%25.pdf"),
        ("x" * 200 + ".pdf", "x" * 140 + ".pdf", "x" * 140 + ".pdf"),
        ("no extension", "no extension", "no%20extension"),
        (" . ", "file", "file"),
    ],
)
def test_a_name(filename: str, plain: str, encoded: str) -> None:
    assert content_disposition(filename) == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


@pytest.mark.parametrize("etag", ['"abc"', "abc", 'W/"abc"'])
def test_an_etag_is_compared_bare(etag: str) -> None:
    assert bare_etag(etag) == "abc"


def test_if_none_match_names_an_etag_weakly_strongly_or_any() -> None:
    assert all(matches_etag(header, '"a"') for header in ('"a"', 'W/"a"', '"b", W/"a"', "*"))
    assert not any(matches_etag(header, '"a"') for header in (None, "", '"b"', "a"))


def test_a_media_type_is_without_parameters_and_in_small_letters() -> None:
    assert media_type(' Audio/WebM ;codecs="opus"') == "audio/webm"


@given(st.text(min_size=1, max_size=255))
def test_any_name_makes_one_header(filename: str) -> None:
    header = HEADER.fullmatch(content_disposition(filename))
    assert header is not None
    assert not set(unquote(header[2])) & set('/\\"\r\n\u202e')
