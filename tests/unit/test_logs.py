"""The last resort of logging: whatever is quoted by accident, secrets and addresses are cut out."""

import io
import json
import logging
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inlet import identifiers
from inlet.logs import _JsonFormatter, _LineFormatter, redact

AROUND = st.text(st.characters(categories=["Zs", "Po", "Ps", "Pe"], exclude_characters="@.%\\"), max_size=5)
NAME = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
SIGNED = (
    "https://bucket.s3.amazonaws.com/uploads/abc/original.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE"
    "%2F20260101%2Fauto%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-Signature=deadbeef01"
)


@given(AROUND, AROUND)
def test_no_token_survives(before: str, after: str) -> None:
    token = identifiers.new_token()
    assert token not in redact(f"{before} {token} {after}")
    assert token not in redact(f'{before}"{token}"{after}')
    assert token not in redact(f"{before}token={token}&{after}")


@given(AROUND, NAME, NAME, AROUND)
def test_no_address_survives(before: str, name: str, host: str, after: str) -> None:
    address = f"{name}.x+y@{host}.example.com"
    assert address not in redact(f"{before}{address}{after}")
    assert redact(address) == "[email]"


def test_no_signature_survives() -> None:
    cut = redact(f'GET "{SIGNED}" failed')
    for secret in ("deadbeef01", "AKIDEXAMPLE", "AWS4-HMAC-SHA256"):
        assert secret not in cut
    assert cut.startswith('GET "https://bucket.s3.amazonaws.com/uploads/abc/original.jpg')
    assert cut.endswith('" failed')


def test_no_database_password_and_no_access_token_survive() -> None:
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.c2lnbmF0dXJl"
    cut = redact(f"connect postgresql://inlet:hunter2@db/inlet with {jwt}")
    assert "hunter2" not in cut
    assert jwt not in cut


def test_ordinary_words_stay() -> None:
    line = "request route=POST /api/upload/{uploadId}/confirm status=200 upload_id=tz4a98xxat96iws9zmbrgj3a"
    assert redact(line) == line


@pytest.mark.parametrize(
    "evil", ["a" * 300_000, "-eyJ" * 75_000, "a@" * 150_000, "a@b" * 100_000, "eyJaaaaaaaa." * 25_000]
)
def test_redaction_is_linear(evil: str) -> None:
    begun = time.process_time()
    redact(evil)
    assert time.process_time() - begun < 1


@pytest.mark.parametrize("formatter", [_JsonFormatter(utc=True), _LineFormatter()])
def test_an_exception_is_cut_too(formatter: logging.Formatter) -> None:
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(formatter)
    log = logging.Logger("test")
    log.addHandler(handler)
    token = identifiers.new_token()
    try:
        int(f"{token} of somebody@example.com")
    except ValueError:
        log.exception("failed")
    assert "ValueError" in output.getvalue()
    assert token not in output.getvalue()
    assert "somebody" not in output.getvalue()


def test_a_deployed_log_entry_is_one_line_whatever_it_quotes() -> None:
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(_JsonFormatter(utc=True))
    log = logging.Logger("test")
    log.addHandler(handler)
    log.warning("first\r\nINFO forged line")
    assert output.getvalue().count("\n") == 1
    assert json.loads(output.getvalue())["message"] == "first\r\nINFO forged line"
