"""What a rehearsal says, and how it fails."""

import time
from typing import Any

import httpx

_BEGAN = time.monotonic()


class Failed(Exception):
    """Something was not as it must be on the first day; the message says what."""


def say(text: str) -> None:
    """Print a line with the seconds since the beginning."""
    print(f"{time.monotonic() - _BEGAN:6.1f} s  {text}", flush=True)


def answered(response: httpx.Response, status: int = 200) -> Any:
    """Return an answer's JSON, if it is that; fail if the status is another."""
    if response.status_code != status:
        asked = f"{response.request.method} {response.request.url.copy_with(query=None)}"
        raise Failed(f"{asked}: {response.status_code} instead of {status}: {response.text[:500]}")
    is_json = response.content and "json" in response.headers.get("content-type", "")
    return response.json() if is_json else None


def require(truth: object, words: str) -> None:
    """Fail with these words unless something is true."""
    if not truth:
        raise Failed(words)
