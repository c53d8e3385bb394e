"""Every built function runs on Lambda's own emulator, with its own layers and nothing else of the project.

First each alone with its fixture, then the families end to end: gateway and workflow engine as in `make run`, every
function packaged. What a function loads only when it is needed is loaded here too.
"""

import io
import json
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.stack import PROJECT, LocalStack
from local_aws.gateway import Api, Gateway
from local_aws.sandboxes import Outcome
from local_aws.template import Template
from tests.support.packaged_functions import PackagedFunctions
from tests.support.photographs import photograph

FUNCTIONS = Template(PROJECT / "template.yaml").functions


@pytest.fixture(scope="session")
def packaged_functions(packaged: Path, stack: LocalStack) -> Iterator[PackagedFunctions]:
    with PackagedFunctions(packaged, stack) as functions:
        yield functions


@pytest.fixture
def packaged_api(
    packaged_functions: PackagedFunctions, stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx.Client]:
    """The API and the workflow of the worker's stack, with every function packaged."""
    monkeypatch.setattr(stack, "sandboxes", packaged_functions)  # the workflow engine asks the stack
    gateway = Gateway(0)
    gateway.start(Api(stack.template, packaged_functions.invoke, port=gateway.port, auth_bypass=True))
    with httpx.Client(base_url=gateway.url, timeout=60) as client:
        yield client
    packaged_functions.print_logs()
    gateway.stop()


def outcome_in_short(outcome: Outcome) -> object:
    """A status, the type of an error, or a payload's keys."""
    if outcome.error is not None:
        return outcome.error["errorType"]
    return outcome.payload.get("statusCode") or outcome.payload.keys()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_built_function_answers_its_fixture_as_the_source_does(
    name: str, packaged_functions: PackagedFunctions, stack: LocalStack
) -> None:
    event = json.loads((PROJECT / "events" / f"{name}.json").read_text())
    built = outcome_in_short(packaged_functions.invoke(name, event))
    assert built == outcome_in_short(stack.sandboxes.invoke(name, event)), packaged_functions.log(name)
    if isinstance(built, int):
        assert built in (200, 201, 202, 403, 404), "the database holds nothing that a fixture names"
    elif isinstance(built, str):
        assert built in ("StaleAttempt", "UploadNotFound"), packaged_functions.log(name)


def test_an_image_job_runs_through_built_functions(packaged_api: httpx.Client) -> None:
    content = photograph()
    declared = {"email": "parent@example.com", "type": "image/jpeg", "size": len(content)}
    upload = packaged_api.post("/api/upload", json=declared).raise_for_status().json()
    httpx.put(upload["uploadUrl"], content=content, headers=upload["headers"]).raise_for_status()
    packaged_api.post(f"/api/upload/{upload['uploadId']}/confirm").raise_for_status()

    token = {"X-Session-Token": upload["sessionToken"]}
    packaged_api.post("/api/process", json={"uploadId": upload["uploadId"]}, headers=token).raise_for_status()
    deadline = time.monotonic() + 120
    status: dict[str, Any] = {"status": "processing"}
    while status["status"] == "processing" and time.monotonic() < deadline:
        status = packaged_api.get(f"/api/status/{upload['uploadId']}", headers=token).raise_for_status().json()
        time.sleep(0.1)
    assert status["status"] == "completed", status

    result = packaged_api.get(f"/api/results/{status['resultId']}", headers=token).raise_for_status().json()
    preview = httpx.get(result["previewUrl"]).raise_for_status()
    assert preview.headers["content-type"] == "image/webp"
    assert preview.content[:4] == b"RIFF"


def test_an_upload_session_runs_through_built_functions(packaged_api: httpx.Client) -> None:
    content = b"%PDF-1.7\n" + bytes(2000) + b"\n%%EOF\n"
    file = {"category": "instruction", "filename": "a.pdf", "mimeType": "application/pdf", "size": len(content)}
    session = packaged_api.post("/api/mocs/uploads/sessions", json={"files": [file]}).raise_for_status().json()
    home = f"/api/mocs/uploads/sessions/{session['sessionId']}"
    registered = packaged_api.post(f"{home}/files", json=file).raise_for_status().json()
    assert packaged_api.post(f"{home}/files/batch", json={"files": [file]}).raise_for_status().json()["results"]

    httpx.put(registered["parts"][0]["url"], content=content).raise_for_status()
    own = f"{home}/files/{registered['fileId']}"
    (part,) = packaged_api.get(f"{own}/parts").raise_for_status().json()["parts"]
    parts = [{"partNumber": part["partNumber"], "etag": part["etag"]}]
    packaged_api.post(f"{own}/complete", json={"parts": parts}).raise_for_status()
    assert packaged_api.post(f"{home}/finalize").raise_for_status().json()["status"] == "completed"
    assert packaged_api.get(home).raise_for_status().json()["status"] == "completed"

    other = packaged_api.post("/api/mocs/uploads/sessions", json={"files": [file]}).raise_for_status().json()
    ended = packaged_api.delete(f"/api/mocs/uploads/sessions/{other['sessionId']}")
    assert ended.status_code == 204, ended.text


def test_a_speaking_session_runs_through_built_functions(packaged_api: httpx.Client) -> None:
    recording = io.BytesIO()
    with wave.open(recording, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    content = recording.getvalue()
    before = packaged_api.get("/api/sessions").raise_for_status().json()["total"]
    announced = {"contentType": "audio/wav", "size": len(content), "duration": 1}
    session = packaged_api.post("/api/sessions", json=announced).raise_for_status().json()
    httpx.put(session["uploadUrl"], content=content, headers=session["headers"]).raise_for_status()
    home = f"/api/sessions/{session['id']}"
    assert packaged_api.post(f"{home}/complete").raise_for_status().json()["status"] == "UPLOADED"

    form = {"duration": "1"}, {"audio": ("a.wav", content, "audio/wav")}
    packaged_api.post("/api/sessions", data=form[0], files=form[1]).raise_for_status()
    assert packaged_api.get("/api/sessions").raise_for_status().json()["total"] == before + 2
    read = packaged_api.get(home).raise_for_status().json()
    assert httpx.get(read["audioUrl"]).raise_for_status().content == content
    assert packaged_api.delete(home).raise_for_status().json() == {"ok": True}
    assert packaged_api.get(home).status_code == 404
