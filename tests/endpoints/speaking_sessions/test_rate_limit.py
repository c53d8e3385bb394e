"""Fifty recordings a day for one user: each is analysed, and analysis is paid."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import psycopg
import pytest

from tests.support import invocations

pytestmark = pytest.mark.usefixtures("inlet_settings")


@pytest.fixture
def create(load_handler: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`create("ada")`: announce a recording, two a day; the answer's status."""
    monkeypatch.setenv("RECORDINGS_PER_DAY", "2")
    monkeypatch.delenv("RATE_LIMIT_BYPASS", raising=False)
    handler = load_handler("speaking_sessions/create").lambda_handler

    def post(user: str, **headers: str) -> int:
        body = {"contentType": "audio/wav", "size": 100, "duration": 1}
        event = invocations.api_event(
            "POST", "/api/sessions", json_body=body, headers=headers, claims={"sub": user, "email": "ada@example.com"}
        )
        answer: dict[str, Any] = handler(event, invocations.Context())
        if answer["statusCode"] == 429:
            assert json.loads(answer["body"])["nextAllowedAt"].endswith("T00:00:00.000Z")
        return int(answer["statusCode"])

    return post


def test_the_limit_is_a_users_own_and_a_refusal_writes_nothing(
    create: Callable[..., int], database: psycopg.Connection[Any]
) -> None:
    assert [create("ada") for _ in range(3)] == [201, 201, 429]
    assert create("ben") == 201
    assert create("ada", **{"Idempotency-Key": "another"}) == 429
    counted = "SELECT (SELECT count(*) FROM speaking_sessions), (SELECT count(*) FROM idempotency_keys)"
    assert database.execute(counted).fetchone() == (3, 0)


def test_a_user_over_the_limit_is_not_even_known(
    create: Callable[..., int], database: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECORDINGS_PER_DAY", "0")
    from inlet.settings import settings

    settings.reload()
    assert create("nobody") == 429
    assert database.execute("SELECT count(*) FROM users").fetchone() == (0,)
