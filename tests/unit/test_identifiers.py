"""Ids, tokens and what is derived from them."""

import base64
import hashlib
import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inlet import identifiers, keys


def test_a_session_token_is_256_random_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identifiers, "random_bytes", lambda count: bytes(range(256 - count, 256)))
    token = identifiers.new_token()
    assert base64.urlsafe_b64decode(token + "=") == bytes(range(224, 256))
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)


def test_tokens_and_upload_ids_do_not_repeat() -> None:
    assert len({identifiers.new_token() for _ in range(1000)}) == 1000
    uploads = {identifiers.new_upload_id() for _ in range(1000)}
    assert len(uploads) == 1000
    assert all(re.fullmatch(r"[a-z][0-9a-z]{23}", upload) for upload in uploads)  # cuid2


@given(st.text(), st.text())
def test_only_the_token_itself_matches_its_hash(token: str, other: str) -> None:
    stored = identifiers.token_hash(token)
    assert identifiers.token_matches(token, stored)
    assert identifiers.token_matches(other, stored) == (other == token)
    assert stored == hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def test_a_result_id_is_derived_and_its_own() -> None:
    assert identifiers.result_id_for("a") == identifiers.result_id_for("a")
    ids = {identifiers.result_id_for(str(number)) for number in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(r"r[0-9a-z]{23}", result) for result in ids)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_an_event_has_one_uuid(name: str, subject: str) -> None:
    first = identifiers.event_uuid(name, subject)
    assert first == identifiers.event_uuid(name, subject)
    assert first != identifiers.event_uuid(name, subject + "x")
    parsed = uuid.UUID(first)
    assert str(parsed) == first
    assert (parsed.version, parsed.variant) == (8, uuid.RFC_4122)


def test_keys_are_as_documented() -> None:
    result = identifiers.result_id_for("abc")
    assert keys.original("abc", "jpg") == "uploads/abc/original.jpg"
    assert keys.generated("abc") == "work/abc/generated"
    assert keys.full("abc", "png") == f"results/{result}/full.png"
    assert keys.preview("abc") == f"results/{result}/preview.webp"
