"""`make demo AUDIO=speech.wav`: one recording through the whole system; transcript, numbers and hints as JSON."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from inlet.sniffing import HEAD_BYTES, sniff
from inlet.speaking_sessions.media_types import EXTENSION_OF
from local.demo_progress import PATIENCE_SECONDS, DemoFailed, answer, bar, put

if TYPE_CHECKING:
    from collections.abc import Mapping

POLL_SECONDS = 0.5
UNHEARD_SECONDS = 90  # the sweeper makes a lost start good within a minute


def read(audio: str) -> tuple[str, bytes, str]:
    """Return the file's name, its content and the type of it."""
    path = Path(audio).expanduser()
    if not path.is_file():
        raise DemoFailed(f"There is no file {audio}.")
    content = path.read_bytes()
    media_type = sniff(content[:HEAD_BYTES])
    if media_type not in EXTENSION_OF:
        raise DemoFailed(f"The file is none of {', '.join(EXTENSION_OF)}.")
    return path.stem, content, media_type


def send(http: httpx.Client, content: bytes, media_type: str, owner: "Mapping[str, str]") -> bytes:
    """Take a recording through the API until it is heard; return what is said of it. `owner` are headers."""
    with bar() as progress:
        task = progress.add_task("uploading", total=100)
        recording = {"contentType": media_type, "size": len(content), "duration": 0}
        announced = answer(http.post("/api/sessions", json=recording, headers=owner))
        put(announced, content)
        path = f"/api/sessions/{announced['id']}"
        answer(http.post(f"{path}/complete", headers=owner))
        begun = time.monotonic()
        while True:
            session = answer(http.get(path, headers=owner))
            progress.update(task, completed=session["progress"], description=session["stage"] or "waiting")
            if session["status"] == "COMPLETED":
                return _told(session)
            if session["status"] == "FAILED":
                raise DemoFailed(session["errorMessage"])
            waited = time.monotonic() - begun
            if session["stage"] is None and waited > UNHEARD_SECONDS:
                raise DemoFailed("The recording is kept, but nobody analyses it: ANALYSIS is off there, it seems.")
            if waited > PATIENCE_SECONDS:
                raise DemoFailed(f"The analysis has not finished after {PATIENCE_SECONDS / 60:.0f} minutes.")
            time.sleep(POLL_SECONDS)


def _told(session: dict[str, Any]) -> bytes:
    """Return what is said of a recording, for people and programs to read."""
    told = {name: session[name] for name in ("language", "durationSecs", "transcript", "metrics", "insights")}
    return json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n"
