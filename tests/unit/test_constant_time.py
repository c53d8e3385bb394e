"""Stored hashes are compared by `hmac.compare_digest`: how long a refusal takes says nothing about the hash."""

import hmac
from collections.abc import Callable

import pytest

from inlet import authentication, identifiers
from inlet.errors import Unauthorized

COMPARED = hmac.compare_digest


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []

    def compare(one: str, other: str) -> bool:
        seen.append((one, other))
        return COMPARED(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    return seen


def refuse(token: str, stored: str) -> None:
    with pytest.raises(Unauthorized):
        authentication.check_job_token(token, stored)


@pytest.mark.parametrize("check", [identifiers.token_matches, refuse])
def test_a_token_is_compared_in_constant_time(
    compared: list[tuple[str, str]], check: Callable[[str, str], object]
) -> None:
    mine, stored = identifiers.new_token(), identifiers.token_hash(identifiers.new_token())
    assert not check(mine, stored)
    assert compared == [(identifiers.token_hash(mine), stored)]
