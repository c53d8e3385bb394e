"""Forms: what browsers and other clients send is read; what is malformed or out of bounds is one error, and cheap."""

import contextlib
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inlet import forms
from inlet.errors import InvalidRequest
from inlet.forms import File

BOUNDARY = "----WebKitFormBoundaryAbCdEf0123456789"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def part(name: str, content: bytes, *headers: str, more: str = "") -> bytes:
    lines = [f'Content-Disposition: form-data; name="{name}"{more}', *headers]
    return b"\r\n".join([f"--{BOUNDARY}".encode(), *(line.encode() for line in lines), b"", content, b""])


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def test_a_browsers_form_is_read() -> None:
    form = forms.parse(
        FORM,
        body(
            part("audio", b"\x00\xff\r\n--", "Content-Type: audio/webm;codecs=opus", more='; filename="rec.webm"'),
            part("duration", b"12.5"),
            part("topic", "Über Größe".encode()),
        ),
    )
    assert form.files == {"audio": File("audio/webm;codecs=opus", b"\x00\xff\r\n--")}
    assert form.fields == {"duration": "12.5", "topic": "Über Größe"}


def test_what_other_clients_do_is_understood() -> None:
    form = forms.parse(
        f'Multipart/Form-Data; charset=utf-8; boundary="{BOUNDARY}"',
        body(
            part("duration", b"1", "Content-Type: text/plain; charset=UTF-8", "Content-Transfer-Encoding: binary"),
            part("audio", b"x", "content-type: audio/ogg"),
            part("plain", b"y", more="; filename=y.bin"),
        )
        + b"an epilogue",
    )
    assert form.fields == {"duration": "1"}
    assert form.files == {"audio": File("audio/ogg", b"x"), "plain": File("text/plain", b"y")}


def test_an_input_left_empty_is_no_file() -> None:
    empty = part("audio", b"", "Content-Type: application/octet-stream", more='; filename=""')
    assert forms.parse(FORM, body(empty)) == forms.Form()


def test_a_form_without_parts_is_empty() -> None:
    assert forms.parse(FORM, body()) == forms.Form()


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("multipart/form-data", body(part("a", b"1"))),
        ("multipart/form-data; boundary=", body(part("a", b"1"))),
        (f"multipart/form-data; boundary={'b' * 201}", f"--{'b' * 201}--\r\n".encode()),
        ("multipart/form-data; boundary=other", body(part("a", b"1"))),
        (f"multipart/mixed; boundary={BOUNDARY}", body(part("a", b"1"))),
        (FORM, b""),
        (FORM, b"x" * 1000),
        (FORM, part("a", b"1")),
        (FORM, part("a", b"1")[:-4]),
        (FORM, body(part("a", b"1"), part("a", b"2"))),
        (FORM, body(part("a", b"1"), part("a", b"2", more='; filename="x"'))),
        (FORM, body(part("a", b"\xff"))),
        (FORM, body(part("a", b"\x00"))),
        (FORM, body(part("a", b"x" * (forms.MAX_FIELD_BYTES + 1)))),
        (FORM, body(*(part(f"a{number}", b"1") for number in range(forms.MAX_PARTS + 1)))),
        (FORM, body(part("a", b"1", *(f"X-{number}: 1" for number in range(forms.MAX_HEADERS))))),
        (FORM, body(part("a", b"1", "X: " + "x" * forms.MAX_HEADER_BYTES))),
        (FORM, body(part("a", b"1", "X: 1", " folded"))),
        (FORM, body(part("a", b"1", "Content-Length: 5"))),
        (FORM, f"--{BOUNDARY}\r\nContent-Type: text/plain\r\n\r\n1\r\n--{BOUNDARY}--\r\n".encode()),
        (FORM, f'--{BOUNDARY}\nContent-Disposition: form-data; name="a"\n\n1\n--{BOUNDARY}--\n'.encode()),
    ],
)
def test_what_is_malformed_or_out_of_bounds_is_refused(content_type: str, content: bytes) -> None:
    with pytest.raises(InvalidRequest):
        forms.parse(content_type, content)


@given(st.binary(max_size=300), st.text(max_size=60))
def test_no_other_error_comes_out(noise: bytes, header: str) -> None:
    for content_type, content in (
        (FORM, noise),
        (FORM, body(part("a", b"1") + noise)),
        (FORM, f"--{BOUNDARY}\r\n".encode() + noise + b"\r\n\r\n1\r\n" + body()),
        (f"multipart/form-data; boundary={header}", noise),
    ):
        with contextlib.suppress(InvalidRequest):
            forms.parse(content_type, content)


def test_a_large_file_is_held_once() -> None:
    content = body(part("audio", bytes(4_000_000), "Content-Type: audio/webm", more='; filename="x"'))
    tracemalloc.start()
    forms.parse(FORM, content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.2 * len(content)


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        (FORM, body(part("a", f"\r\n--{BOUNDARY[:-1]}".encode() * 100_000, "Content-Type: a/b"))),
        (FORM, body(part("a", b"\r\n" * 2_000_000, "Content-Type: a/b"))),
        (FORM, f"--{BOUNDARY}\r\n".encode() * 100_000),
        (FORM, f"--{BOUNDARY}\r\n".encode() + b"x" * 4_000_000),
        ("multipart/form-data" + '; a="' * 2000, b""),
    ],
    ids=["near boundaries", "line ends", "empty parts", "one header", "open quotes"],
)
def test_hostile_forms_are_cheap(content_type: str, content: bytes) -> None:
    begun = time.process_time()
    with contextlib.suppress(InvalidRequest):
        forms.parse(content_type, content)
    assert time.process_time() - begun < 1
