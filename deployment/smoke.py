"""Is what was deployed well? Asked from outside, at its real address, as its users would."""

import json
import time
from collections.abc import Mapping
from functools import partial

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from deployment.words import Refused, say
from local import picture
from local.demo import DemoFailed, send

WARM_UP_SECONDS = 60  # an address that was just made is not known everywhere at once


def smoke(url: str) -> None:
    """Refuse unless the API is there, turns strangers away, and takes one image, watched, through its workflow."""
    with httpx.Client(base_url=url, timeout=30) as http:
        document = _document(http)
        for method, path in _signed_in(document):
            answer = http.request(method, path, json={} if method == "POST" else None)
            if answer.status_code != 401:
                raise Refused(
                    f"{method} {path} answers {answer.status_code} instead of 401 to a stranger: its routes are not"
                    " behind the sign-in. The issuer was perhaps not reachable when the API was made: deploy again."
                )
            say(f"  {method} {path}: 401 for a stranger")
        try:
            preview = send(http, picture.jpeg(), "image/jpeg", confirmed=partial(watch, http))
        except (DemoFailed, httpx.HTTPError) as error:
            raise Refused(f"The image job failed: {error}") from error
        say(f"  one image job, from upload to preview: {len(preview)} bytes")


def watch(http: httpx.Client, job: str, owner: Mapping[str, str]) -> None:
    """Refuse unless a WebSocket tells the job's state, or live updates are switched off."""
    ticket = http.post(f"/api/status/{job}/live", headers=owner)
    if "LIVE_UPDATES_OFF" in ticket.text:
        say("  live updates are off: clients poll")
        return
    try:
        with connect(ticket.raise_for_status().json()["liveUrl"], open_timeout=30) as socket:
            socket.send(json.dumps({"action": "hello"}))
            told = json.loads(socket.recv(timeout=30))
    except (httpx.HTTPError, OSError, WebSocketException) as error:
        raise Refused(f"The WebSocket failed, so clients could only poll: {error}") from error
    say(f"  a WebSocket: told that the job is {told['state']['status']}")


def _document(http: httpx.Client) -> dict[str, dict[str, dict[str, object]]]:
    """Return the API document's paths as soon as the API answers."""
    deadline = time.monotonic() + WARM_UP_SECONDS
    while True:
        try:
            answer = http.get("/openapi.json")
            if answer.is_success:
                paths: dict[str, dict[str, dict[str, object]]] = answer.json()["paths"]
                say(f"  {http.base_url}/openapi.json: 200")
                return paths
            words = f"{answer.status_code} {answer.text[:200]}"
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            words = str(error)
        if time.monotonic() > deadline:
            raise Refused(f"{http.base_url} does not answer: {words}")
        time.sleep(2)


def _signed_in(paths: dict[str, dict[str, dict[str, object]]]) -> list[tuple[str, str]]:
    """Return one route of each family that asks for a sign-in: method and path without parameters."""
    found: dict[str, tuple[str, str]] = {}
    for path, operations in paths.items():
        for method, operation in operations.items():
            if operation.get("security") == [{"jwt": []}] and "{" not in path:
                tag = str(operation.get("tags"))
                found.setdefault(tag, (method.upper(), path))
    return list(found.values())
