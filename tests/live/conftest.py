"""What the tests of live progress share: functions in this process that push, and what they push to."""

from collections.abc import Iterator

import httpx
import pytest

from inlet import live
from inlet.settings import settings
from local.stack import LocalStack
from tests.support.connections_stand_in import Connections, listening
from tests.support.image_jobs import Upload, started, wait


@pytest.fixture
def connections() -> Iterator[Connections]:
    """What API Gateway would do with what is posted to connections."""
    with listening() as stand_in:
        yield stand_in


@pytest.fixture
def pushing(inlet_settings: None, connections: Connections, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Makes `inlet` in this process give out tickets, and push to the stand-in."""
    own = {
        "LIVE_URL": "ws://127.0.0.1/live",
        "LIVE_ENDPOINT_URL": connections.url,
        "LIVE_ORIGINS": "https://own.example.com,https://other.example.com/",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    settings.reload()
    for name in ("PATIENCE_SECONDS", "CONNECT_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(live, name, 10)  # a push may be given up, but not because a machine is busy with tests
    client = live.client  # a test may put another in its place
    client.cache_clear()
    yield
    client.cache_clear()


@pytest.fixture(scope="session")
def finished(stack: LocalStack) -> Upload:
    """One completed job, to be looked at only."""
    with httpx.Client(base_url=stack.url, timeout=30) as http:
        upload = started(http)
        assert wait(http, upload)["status"] == "completed"
    return upload
