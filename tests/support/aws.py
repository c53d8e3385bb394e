"""An AWS account on this machine: moto's server in a process of its own.

In a test's own process moto holds the state machines of the worker's stacks, which every use of `mock_aws` would drop.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from local_aws.children import Child
from local_aws.ports import free_port


@contextmanager
def aws(directory: Path) -> Iterator[str]:
    """Run the server; give its address."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = Child("AWS", command, directory=directory, log=directory / "aws.log")
    try:
        server.wait_until(lambda: server.listens_on(port), seconds=60)
        yield url
    finally:
        server.stop()


def enter(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process's boto3 find an empty account there."""
    httpx.post(f"{url}/moto-api/reset").raise_for_status()
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
