"""Recordings as a form and straight to the bucket, speech that is analysed, what is none, and another user's eyes."""

import time
from typing import Any

import httpx

from rehearsal.stack import Stack
from rehearsal.words import answered, require
from scripts.build import ROOT
from tests.support import speaking_sessions
from tests.support.recordings import tone, wav

LIE = b"<html>".ljust(64)
SPEECH = ROOT / "tests" / "support" / "speech" / "austen.flac"
PATIENCE_SECONDS = 300
SPOKEN = {
    "amiable",
    "leisure",
    "married",
    "selfish",
}  # no recogniser hears every word; one that hears none of these hears nothing


def travel(stack: Stack) -> str:
    """Send, list, read, delete."""
    recording = tone()
    with stack.client("speaker") as http, stack.client("somebody else") as other:
        first = speaking_sessions.recorded(http)
        listed = [session["id"] for session in answered(http.get("/api/sessions"))["sessions"]]
        require(first in listed, "the session is not in its user's list")
        require(answered(other.get("/api/sessions"))["total"] == 0, "another user's list has the session")
        read = answered(http.get(f"/api/sessions/{first}"))
        require(httpx.get(read["audioUrl"]).content == recording, "the recording is not what was sent")
        answered(other.get(f"/api/sessions/{first}"), 404)

        direct = answered(speaking_sessions.announce(http, size=len(recording)), 201)
        answered(http.post(f"/api/sessions/{direct['id']}/complete"), 409)
        answered(speaking_sessions.put(direct, recording))
        answered(http.post(f"/api/sessions/{direct['id']}/complete"))

        lying = answered(speaking_sessions.announce(http, size=len(LIE)), 201)
        answered(speaking_sessions.put(lying, LIE))
        answered(http.post(f"/api/sessions/{lying['id']}/complete"), 400)

        spoken = answered(speaking_sessions.send_form(http, SPEECH.read_bytes(), content_type="audio/flac"), 201)["id"]
        told = analysed(http, spoken)
        require(told["status"] == "COMPLETED" and told["metrics"]["words"], f"the analysis of speech is {told}")
        heard = SPOKEN & set(told["transcript"]["text"].lower().split())
        require(heard, f"the transcript is {told['transcript']['text']!r}")

        empty = answered(speaking_sessions.send_form(http, wav(b"")), 201)["id"]
        refused = analysed(http, empty)
        require(refused["status"] == "FAILED", f"the analysis of nothing is {refused}")
        answered(http.post(f"/api/sessions/{empty}/analyse"), 409)

        answered(http.delete(f"/api/sessions/{first}"))
        answered(http.get(f"/api/sessions/{first}"), 404)
    words = told["metrics"]["words"]
    return f"speaking sessions: form, direct, {words} words heard, a lie, silence refused, another user, delete"


def analysed(http: httpx.Client, session_id: str) -> dict[str, Any]:
    """Return a session when its analysis is over, or when it takes far longer than speech of half a minute should."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        session: dict[str, Any] = answered(http.get(f"/api/sessions/{session_id}"))
        if session["status"] in ("COMPLETED", "FAILED") or time.monotonic() > deadline:
            return session
        time.sleep(0.5)
