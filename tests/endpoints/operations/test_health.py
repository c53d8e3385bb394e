"""GET /api/health: what is deployed, and what it reaches, within a second."""

import json
from collections.abc import Callable, Iterator
from threading import Event
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import pytest

from inlet import VERSION, database
from inlet.settings import settings
from local.stack import PROJECT

NEWEST = max(file.name for file in (PROJECT / "migrations").glob("*.sql"))
WELL = {"healthy": True, "version": VERSION, "commit": None, "schema": NEWEST, "database": True, "bucket": True}


@pytest.fixture
def health(inlet_settings: None, load_handler: Callable[[str], ModuleType]) -> ModuleType:
    return load_handler("operations/health")


def ask(health: ModuleType) -> tuple[int, Any]:
    event = json.loads((PROJECT / "events" / "OperationsHealthFunction.json").read_text())
    answer = health.lambda_handler(event, SimpleNamespace(aws_request_id="request"))
    assert answer["headers"]["cache-control"] == "no-store"
    return answer["statusCode"], json.loads(answer["body"])


@pytest.fixture
def hanging() -> Iterator[Event]:
    """What hangs, until the test lets it go."""
    released = Event()
    yield released
    released.set()


def test_anybody_is_told_that_all_is_well(http: httpx.Client) -> None:
    answer = http.get("/api/health")
    assert (answer.status_code, answer.json()) == (200, WELL)


def test_the_commit_is_told_where_it_is_known(health: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMIT", "0123456789ab")
    settings.reload()
    assert ask(health) == (200, WELL | {"commit": "0123456789ab"})


def test_a_database_that_is_not_there_is_503(
    health: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://inlet:hidden@127.0.0.1:9/inlet")
    settings.reload()
    database.close()
    told = ask(health)
    assert told == (503, WELL | {"healthy": False, "schema": None, "database": False})
    said = capsys.readouterr()
    assert "hidden" not in said.out + said.err


def test_a_bucket_that_is_not_there_is_503(health: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUCKET", "no-such-bucket")
    settings.reload()
    assert ask(health) == (503, WELL | {"healthy": False, "bucket": False})


def test_what_hangs_keeps_nobody_waiting_and_is_asked_once(
    health: ModuleType, hanging: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def hang() -> bool:
        asked.append(1)
        return hanging.wait()

    assert health.PATIENCE_SECONDS < 1
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0)
    check = health.Check("bucket", hang)
    monkeypatch.setattr(health, "_bucket", check)
    for _ in range(3):
        status, told = ask(health)
        assert (status, told["bucket"]) == (503, False)
    assert asked == [1]
    hanging.set()
    check._thread.join()
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 60)
    assert ask(health) == (200, WELL)
