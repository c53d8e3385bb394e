"""What `make demo` has for pictures and recordings alike: a progress bar, answers, and words for what went wrong."""

from typing import TYPE_CHECKING, Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE_SECONDS = 1800  # longer than a workflow takes that need not wait in line

console = Console(stderr=True)


class DemoFailed(Exception):
    """What went wrong, in words for a person."""


def bar() -> Progress:
    """Return a progress bar, to be used in a `with`."""
    columns = (TextColumn("{task.description:<14}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    return Progress(*columns, TimeElapsedColumn(), console=console)


def put(reserved: "Mapping[str, Any]", content: bytes) -> None:
    """PUT a file where an answer says, with the headers it names."""
    stored = httpx.put(reserved["uploadUrl"], content=content, headers=reserved["headers"], timeout=60)
    if stored.is_error:
        raise DemoFailed(f"The bucket refused the file: {stored.status_code} {stored.text}")


def answer(response: httpx.Response) -> dict[str, Any]:
    """Return the answer's JSON; raise `DemoFailed` with the API's own words when it refuses."""
    if response.is_success:
        told: dict[str, Any] = response.json()
        return told
    try:
        error = response.json()["error"]
        words = error if isinstance(error, str) else error["message"]
    except (ValueError, KeyError, TypeError):
        words = response.text
    raise DemoFailed(f"{response.request.method} {response.request.url.path}: {response.status_code} {words}")
