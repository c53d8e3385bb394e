"""How often an endpoint waits for the database and the bucket, counted on the way there as `make bench` prints it."""

import os
from collections.abc import Callable, Iterator

import pytest

from bench import image_jobs, upload_sessions
from inlet import database, storage, workflow
from inlet.logs import logger
from inlet.settings import settings
from local.stack import LocalStack

# Ending a session takes whatever it holds with it, in steps that a sweep can take up.
MANY_STEPS = "abort"


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Undo that the bench makes this process a function of its stack."""
    environment, level = dict(os.environ), logger.log_level
    yield
    os.environ.clear()
    os.environ.update(environment)
    logger.setLevel(level)
    settings.reload()
    database.close()
    storage.client.cache_clear()
    workflow.client.cache_clear()


def test_of_image_jobs(start_stack: Callable[..., LocalStack]) -> None:
    counted = image_jobs.round_trips(start_stack())
    assert len(counted) == 6
    assert [line for line in counted if "MISSED" in line] == []


def test_of_upload_sessions(start_stack: Callable[..., LocalStack]) -> None:
    _, *counted = upload_sessions.Counter(start_stack()).run()
    trips = {line[:34].strip(): int(line[34:44]) for line in counted}
    assert {name: count for name, count in trips.items() if count > 2} == {MANY_STEPS: trips[MANY_STEPS]}
    assert trips["read"] == trips["finalize, again"] == 1
    calls = {line[:34].strip(): int(line[44:52]) for line in counted}
    assert calls["create"] == calls["read"] == calls["register file, again"] == calls["finalize, again"] == 0
    assert calls["register file"] == calls["complete file"] == 1
