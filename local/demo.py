"""`make demo`, with IMAGE=photo.jpg or AUDIO=speech.wav: one file through the whole system, as a client sends it.

URL names a deployed one.
"""

import base64
import hashlib
import os
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from inlet.image_jobs.rows import EXTENSION_OF
from inlet.sniffing import HEAD_BYTES, sniff
from local import picture, recording_demo
from local.addresses import Addresses, environment, home
from local.demo_progress import PATIENCE_SECONDS, DemoFailed, answer, bar, console, put
from local.run import only_one
from local.stack import LocalStack
from local_aws.children import PartFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["DemoFailed", "demo", "send"]

EMAIL = "demo@example.com"
POLL_SECONDS = 0.25


def demo(image: str = "", audio: str = "") -> int:
    """Send the image, or the recording, or a picture of our own; return the exit status."""
    log = ""  # of the functions, once they have something to do with it
    try:
        work, result = _work(image, audio)
        if url := os.environ.get("URL"):
            with httpx.Client(base_url=url, timeout=60) as http:
                made = work(http)
        else:
            log = str(home() / "functions.log")
            with _running_stack() as stack, httpx.Client(base_url=stack.url, timeout=60) as http:
                log = stack.function_log
                made = work(http)
        target = Path(os.environ.get("OUTPUT") or result)
        target.write_bytes(made)
    except (DemoFailed, PartFailed, OSError, httpx.HTTPError) as error:
        words = f"No answer: {error}" if isinstance(error, httpx.HTTPError) else str(error)
        console.print(f"[red]The demo failed.[/red] {words}", highlight=False)
        if log:
            console.print(f"What the functions logged: {log}", highlight=False, soft_wrap=True)
        return 1
    print(target)
    return 0


def _work(image: str, audio: str) -> "tuple[Callable[[httpx.Client], bytes], str]":
    """Return what is to be done with a client, and the name of the file that comes of it."""
    if image and audio:
        raise DemoFailed("One thing at a time: IMAGE or AUDIO.")
    if audio:
        name, content, media_type = recording_demo.read(audio)
        token = os.environ.get("TOKEN")
        owner = {"Authorization": f"Bearer {token}"} if token else {}
        work = partial(recording_demo.send, content=content, media_type=media_type, owner=owner)
        return work, f"{name}-analysis.json"
    name, content, media_type = _read(image)
    return partial(send, content=content, media_type=media_type), f"{name}-preview.webp"


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
    with bar() as progress:
        task = progress.add_task("uploading", total=100)
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        reserved = answer(
            http.post(
                "/api/upload",
                json={"email": EMAIL, "type": media_type, "size": len(content), "sha256": digest},
            )
        )
        put(reserved, content)
        job, owner = reserved["uploadId"], {"X-Session-Token": reserved["sessionToken"]}
        answer(http.post(f"/api/upload/{job}/confirm", headers=owner))
        confirmed(job, owner)
        answer(http.post("/api/process", json={"uploadId": job}, headers=owner))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            status = answer(http.get(f"/api/status/{job}", headers=owner))
            progress.update(task, completed=status["progress"], description=status["stage"] or "waiting")
            if status["status"] == "completed":
                break
            if status["status"] == "failed":
                raise DemoFailed(status["errorMessage"])
            if time.monotonic() > deadline:
                raise DemoFailed(f"The job has not finished after {PATIENCE_SECONDS / 60:.0f} minutes.")
            time.sleep(POLL_SECONDS)
    result = answer(http.get(f"/api/results/{status['resultId']}", headers=owner))
    return httpx.get(result["previewUrl"], timeout=60).raise_for_status().content
