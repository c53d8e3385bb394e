"""Ports: each once before any twice, and words instead of an endless search."""

import pytest

from local_aws import ports


def test_each_is_told_once_before_any_a_second_time() -> None:
    told = [ports.free_port() for _ in range(50)]
    assert len(set(told)) == len(told)
    assert set(told) <= set(ports.PORTS)


def test_a_search_among_taken_ports_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[int] = set()

    def is_taken(port: int) -> bool:
        asked.add(port)
        return False

    monkeypatch.setattr(ports, "is_free", is_taken)
    with pytest.raises(ports.NoFreePort):
        ports.free_port()
    assert len(asked) >= len(ports.PORTS) // ports.SHARES, "the whole share was tried"
