"""Is what was deployed well? Asked from outside, at its real address, as its users would."""

import json
import time
from collections.abc import Callable, Mapping
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
        _health(http)
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


def _health(http: httpx.Client) -> None:
    """Refuse unless the API says soon that it reaches its database and its bucket: a database may have to wake up."""
    answer = _patiently(http, "/api/health", unless=lambda found: found.status_code == 503)
    told = answer.json()
    if not told["healthy"]:
        missing = " and the ".join(name for name in ("database", "bucket") if not told[name])
        raise Refused(f"It is not well: it does not reach the {missing} in time. Its log says why, at `unhealthy`.")
    say(f"  {http.base_url}/api/health: {told['version']}, commit {told['commit'] or 'unknown'}, {told['schema']}")


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


def _patiently(
    http: httpx.Client, path: str, *, unless: Callable[[httpx.Response], bool] = lambda _: False
) -> httpx.Response:
    """Return a successful JSON answer as soon as there is one; in the end also one that `unless` takes."""
    deadline = time.monotonic() + WARM_UP_SECONDS
    while True:
        try:
            answer = http.get(path)
            answer.json()
            if answer.is_success or (unless(answer) and time.monotonic() > deadline):
                return answer
            words = f"{answer.status_code} {answer.text[:200]}"
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            words = str(error)
        if time.monotonic() > deadline:
            raise Refused(f"{http.base_url} does not answer: {words}")
        time.sleep(2)


def _document(http: httpx.Client) -> dict[str, dict[str, dict[str, object]]]:
    """Return the API document's paths."""
    paths: dict[str, dict[str, dict[str, object]]] = _patiently(http, "/openapi.json").json()["paths"]
    say(f"  {http.base_url}/openapi.json: 200")
    return paths


def _signed_in(paths: dict[str, dict[str, dict[str, object]]]) -> list[tuple[str, str]]:
    """Return one route of each family that asks for a sign-in: method and path without parameters."""
    found: dict[str, tuple[str, str]] = {}
    for path, operations in paths.items():
        for method, operation in operations.items():
            if operation.get("security") == [{"jwt": []}] and "{" not in path:
                tag = str(operation.get("tags"))
                found.setdefault(tag, (method.upper(), path))
    return list(found.values())
