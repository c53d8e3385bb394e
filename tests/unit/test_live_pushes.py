"""Pushes to whoever watches: what may take long, and what may not."""

import time
from functools import cache
from typing import Any

import pytest

from inlet import live


class Client:
    """Takes what is posted."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []

    def post_to_connection(self, **call: Any) -> None:
        self.posted.append(call)


def test_a_client_that_takes_long_to_make_costs_no_push(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does in a cold function that has no other client of AWS's."""
    client = Client()

    @cache
    def make() -> Client:
        time.sleep(live.PATIENCE_SECONDS + 0.2)
        return client

    monkeypatch.setattr(live, "client", make)
    live.post(["one", "two"], {"revision": 7})
    assert sorted(call["ConnectionId"] for call in client.posted) == ["one", "two"]
    assert {call["Data"] for call in client.posted} == {b'{"revision":7}'}
