"""Strict JSON: what is valid comes through unchanged, what the rules forbid is refused, nothing else is raised."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inlet import request_body
from inlet.errors import InvalidRequest, RequestTooLarge

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=30,
)


@given(VALUES, st.booleans())
def test_valid_json_comes_through_unchanged(value: Any, ascii_only: bool) -> None:
    assert request_body.loads(json.dumps(value, ensure_ascii=ascii_only)) == value


@given(st.text() | st.text('[]{}",:\\u0dD8-+eE.10tfn NaIity', max_size=40))
@example("[" * 100_000)
@example('{"a":' * 100_000)
@example("9" * 5_000)
@example("\ufeff{}")
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        request_body.loads(text)
    except InvalidRequest:
        return
    json.dumps(json.loads(text), allow_nan=False, ensure_ascii=False).encode()  # what passes is JSON to everybody


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_outside_json_are_refused(number: str) -> None:
    with pytest.raises(InvalidRequest):
        request_body.loads(f'{{"size": [{number}]}}')


@given(TEXT, TEXT, st.sampled_from(["\x00", "\ud800", "\udfff", "\udc00\ud800"]), st.booleans(), st.integers(0, 5))
def test_nul_and_lone_surrogates_are_refused_wherever_they_hide(
    before: str, after: str, bad: str, as_key: bool, depth: int
) -> None:
    value: Any = {before + bad + after: 1} if as_key else {"email": before + bad + after}
    for _ in range(depth):
        value = [value]
    with pytest.raises(InvalidRequest):
        request_body.loads(json.dumps(value))


def test_a_surrogate_pair_is_one_character() -> None:
    assert request_body.loads(r'"\ud83d\ude00"') == "\U0001f600"


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '[{"b":{"a":null,"a":{}}}]'])
def test_repeated_keys_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="repeats a key"):
        request_body.loads(text)


@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")])
def test_depth_ends_at_32(opened: str, closed: str) -> None:
    def nested(depth: int) -> str:
        return opened * depth + "1" + closed * depth

    request_body.loads(nested(32))
    with pytest.raises(InvalidRequest, match="nested"):
        request_body.loads(nested(33))


def test_size_ends_at_256_kilobytes() -> None:
    request_body.check_size(256 * 1024)
    with pytest.raises(RequestTooLarge):
        request_body.check_size(256 * 1024 + 1)
