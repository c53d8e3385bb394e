"""The small bundle in echo/: where it is, and one that runs."""

import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from local_aws.gateway import Gateway
from local_aws.sandboxes import Sandboxes

BUNDLE = Path(__file__).parent / "echo"
TEMPLATE = BUNDLE / "template.yaml"
SHARED = BUNDLE / "shared"
# By which names the bundle's API may be called beside this machine's.
OTHER_HOSTS = ("x", "api.example.com")
# What the bundle adds to the API's own answers.
OWN_WORDS: dict[int | str, dict[str, str]] = {
    401: {"code": "UNAUTHORIZED"},
    413: {"code": "TOO_LARGE"},
    "insufficient_scope": {"code": "FORBIDDEN"},
}


@dataclass(frozen=True)
class Echo:
    """The bundle's functions behind an API."""

    gateway: Gateway
    sandboxes: Sandboxes

    @property
    def url(self) -> str:
        return self.gateway.url

    def stop(self) -> None:
        self.gateway.stop()

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30)


def wait_for_calls(journal: Path, count: int) -> None:
    """Until the function has begun `count` calls that name this journal."""
    deadline = time.monotonic() + 30
    while not journal.exists() or len(journal.read_text().splitlines()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
