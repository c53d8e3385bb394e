"""`make demo IMAGE=photo.jpg`: one image through the whole system, as a client sends it. URL names a deployed one."""

import base64
import hashlib
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from inlet.image_jobs.rows import EXTENSION_OF
from inlet.sniffing import HEAD_BYTES, sniff
from local import picture
from local.addresses import Addresses, environment, home
from local.run import only_one
from local.stack import LocalStack
from local_aws.children import PartFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

EMAIL = "demo@example.com"
POLL_SECONDS = 0.25
PATIENCE_SECONDS = 1800  # longer than the workflow's own limit

console = Console(stderr=True)


class DemoFailed(Exception):
    """What went wrong, in words for a person."""


def demo(image: str = "") -> int:
    """Send the image, or a picture of our own; return the exit status."""
    log = ""  # of the functions, once they have something to do with it
    try:
        name, content, media_type = _read(image)
        if url := os.environ.get("URL"):
            with httpx.Client(base_url=url, timeout=60) as http:
                preview = send(http, content, media_type)
        else:
            log = str(home() / "functions.log")
            with _running_stack() as stack, httpx.Client(base_url=stack.url, timeout=60) as http:
                log = stack.function_log
                preview = send(http, content, media_type)
        target = Path(os.environ.get("OUTPUT") or f"{name}-preview.webp")
        target.write_bytes(preview)
    except (DemoFailed, PartFailed, OSError, httpx.HTTPError) as error:
        words = f"No answer: {error}" if isinstance(error, httpx.HTTPError) else str(error)
        console.print(f"[red]The demo failed.[/red] {words}", highlight=False)
        if log:
            console.print(f"What the functions logged: {log}", highlight=False, soft_wrap=True)
        return 1
    print(target)
    return 0


def _read(image: str) -> tuple[str, bytes, str]:
    """Return the file's name, its content and the type of it."""
    path = Path(image).expanduser()
    if image and not path.is_file():
        raise DemoFailed(f"There is no file {image}.")
    name, content = (path.stem, path.read_bytes()) if image else ("demo", picture.jpeg())
    media_type = sniff(content[:HEAD_BYTES])
    if media_type not in EXTENSION_OF:
        raise DemoFailed(f"The file is none of {', '.join(EXTENSION_OF)}.")
    return name, content, media_type


@contextmanager
def _running_stack() -> "Iterator[Addresses]":
    """Give the running stack, or one for the duration."""
    if running := Addresses.running():
        yield running
        return
    console.print("No stack is running; starting one for the duration.")
    with only_one() as directory, LocalStack(directory, environment() | {"PORT": "0"}) as stack:
        yield Addresses.of(stack)


def send(
    http: httpx.Client,
    content: bytes,
    media_type: str,
    *,
    confirmed: "Callable[[str, Mapping[str, str]], None]" = lambda *_: None,
) -> bytes:
    """Take an image through the API from upload to result; return the finished preview.

    `confirmed` is given the job's id, and the header that proves whose it is, before anything is done with it.
    """
    columns = (TextColumn("{task.description:<14}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bar = progress.add_task("uploading", total=100)
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        reserved = _answer(
            http.post(
                "/api/upload",
                json={"email": EMAIL, "type": media_type, "size": len(content), "sha256": digest},
            )
        )
        put = httpx.put(reserved["uploadUrl"], content=content, headers=reserved["headers"], timeout=60)
        if put.is_error:
            raise DemoFailed(f"The bucket refused the file: {put.status_code} {put.text}")
        job, owner = reserved["uploadId"], {"X-Session-Token": reserved["sessionToken"]}
        _answer(http.post(f"/api/upload/{job}/confirm", headers=owner))
        confirmed(job, owner)
        _answer(http.post("/api/process", json={"uploadId": job}, headers=owner))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            status = _answer(http.get(f"/api/status/{job}", headers=owner))
            progress.update(bar, completed=status["progress"], description=status["stage"] or "waiting")
            if status["status"] == "completed":
                break
            if status["status"] == "failed":
                raise DemoFailed(status["errorMessage"])
            if time.monotonic() > deadline:
                raise DemoFailed(f"The job has not finished after {PATIENCE_SECONDS / 60:.0f} minutes.")
            time.sleep(POLL_SECONDS)
    result = _answer(http.get(f"/api/results/{status['resultId']}", headers=owner))
    return httpx.get(result["previewUrl"], timeout=60).raise_for_status().content


def _answer(response: httpx.Response) -> dict[str, Any]:
    """Return the answer's JSON; raise `DemoFailed` with the API's own words when it refuses."""
    if response.is_success:
        answer: dict[str, Any] = response.json()
        return answer
    try:
        words = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        words = response.text
    raise DemoFailed(f"{response.request.method} {response.request.url.path}: {response.status_code} {words}")
