"""Somebody who watches: a job, an upload session with two viewers, a recording; strangers and used tickets stay out.

MiniStack has API Gateway's WebSocket API, and asks the functions' roles when they post to its connections.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from rehearsal.stack import Stack
from rehearsal.words import answered, require
from tests.support import image_jobs, speaking_sessions
from tests.support.recordings import tone
from tests.support.upload_sessions import create, pdf

SECONDS = 60


def travel(stack: Stack) -> str:
    """Watch all three families."""
    with stack.client() as stranger, stack.client("watcher") as http:
        pushes = _job(stack, stranger)
        _upload_session(stack, http)
        _recording(stack, http)
    return f"live: a job told in {pushes} pushes, an upload session with two viewers, a recording; 403 for strangers"


def _job(stack: Stack, http: httpx.Client) -> int:
    upload = image_jobs.confirmed(http)
    path = f"/api/status/{upload.id}/live"
    _refused(answered(http.post(path, headers=upload.auth), 201)["liveUrl"], origin="https://evil.example.com")
    ticket = answered(http.post(path, headers=upload.auth), 201)["liveUrl"]
    with watching(stack, ticket) as socket:
        _refused(ticket, origin=stack.url)  # used
        first = say(socket, action="hello")
        require(first["state"]["status"] == "pending", f"hello is answered {first}")
        require(say(socket, action="ping") == {"action": "pong"}, "ping is not answered pong")
        answered(image_jobs.process(http, upload), 202)
        told = [first]
        while told[-1]["state"]["status"] in ("pending", "processing"):
            told.append(_next(socket))
    require(told[-1]["state"]["status"] == "completed", f"the job ends as {told[-1]}")
    require(told[-1]["state"] == answered(image_jobs.status(http, upload)), "the last push is not what the GET says")
    revisions = [push["revision"] for push in told]
    # The request that starts a job and its first stage push at the same moment: either may be first.
    require(revisions[-1] == max(revisions), f"the pushes came as {revisions}")
    return len(told)


def _upload_session(stack: Stack, http: httpx.Client) -> None:
    file = pdf()
    session = create(http, file)
    first, second = (answered(http.post(f"{session.path}/live"), 201)["liveUrl"] for _ in range(2))
    with watching(stack, first) as sender, watching(stack, second) as viewer:
        for socket in (sender, viewer):
            say(socket, action="hello")
        file_id = session.send(file)["fileId"]
        done = until(viewer, lambda push: push["state"]["files"][0]["status"] == "completed")
        for (told,) in (done["state"]["files"], say(viewer, action="hello")["state"]["files"]):
            require(told["fileId"] == file_id, f"the viewer is told {told}")
            require(httpx.get(told["fileUrl"]).content == file.content, "the file told is not what was sent")
        sender.send(json.dumps({"action": "progress", "fileId": file_id, "sent": 7}))
        relayed = until(viewer, lambda push: "reportedBytes" in push)
        require((relayed["fileId"], relayed["reportedBytes"]) == (file_id, 7), f"relayed: {relayed}")
        answered(session.finalize())
        for socket in (sender, viewer):
            until(socket, lambda push: push.get("state", {}).get("status") == "completed")


def _recording(stack: Stack, http: httpx.Client) -> None:
    recording = tone()
    announced = answered(speaking_sessions.announce(http, size=len(recording)), 201)
    path = f"/api/sessions/{announced['id']}"
    with watching(stack, answered(http.post(f"{path}/live"), 201)["liveUrl"]) as socket:
        require(say(socket, action="hello")["state"]["status"] == "CREATED", "hello does not tell the recording")
        answered(speaking_sessions.put(announced, recording))
        answered(http.post(f"{path}/complete"))
        until(socket, lambda push: push["state"]["status"] == "UPLOADED")
        link = say(socket, action="hello")["state"]["audioUrl"]
        require(httpx.get(link).content == recording, "the recording told is not what was sent")


@contextmanager
def watching(stack: Stack, ticket: str) -> Iterator[ClientConnection]:
    """Open a ticket, as the stack's own pages do."""
    with connect(ticket, origin=Origin(stack.url), open_timeout=SECONDS) as socket:
        yield socket


def _refused(ticket: str, origin: str) -> None:
    try:
        connect(ticket, origin=Origin(origin), open_timeout=SECONDS).close()
    except InvalidStatus as refusal:
        require(refusal.response.status_code == 403, f"a handshake was answered {refusal.response.status_code}")
    else:
        require(False, "a handshake was accepted that must not be")


def say(socket: ClientConnection, **message: Any) -> dict[str, Any]:
    """Send a message; return what comes next."""
    socket.send(json.dumps(message))
    return _next(socket)


def _next(socket: ClientConnection) -> dict[str, Any]:
    push: dict[str, Any] = json.loads(socket.recv(timeout=SECONDS))
    return push


def until(socket: ClientConnection, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait for the push of which this holds."""
    while not holds(push := _next(socket)):
        pass
    return push
