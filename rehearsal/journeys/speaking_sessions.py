"""Recordings as a form and straight to the bucket, one that is none, and another user's eyes."""

import httpx

from rehearsal.stack import Stack
from rehearsal.words import answered, require
from tests.support import speaking_sessions
from tests.support.recordings import tone

LIE = b"<html>".ljust(64)


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

        answered(http.delete(f"/api/sessions/{first}"))
        answered(http.get(f"/api/sessions/{first}"), 404)
    return "speaking sessions: form, direct, a lie, another user, delete"
