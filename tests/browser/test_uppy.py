"""Stock Uppy from npm, in a real browser, through a session's Companion routes: not a line of it changed.

esbuild binds `uppy_page.js` and the packages of package-lock.json into one script, as a page's own build would.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from local.stack import PROJECT, LocalStack
from tests.browser.conftest import Traffic
from tests.support.upload_sessions import MB, PART, SESSIONS, File, digest, pdf

ESBUILD = PROJECT / "node_modules" / ".bin" / "esbuild"


@pytest.fixture(scope="module")
def script() -> str:
    if not ESBUILD.exists():
        pytest.skip("npm packages are not installed (make test installs them)")
    bound = subprocess.run(
        [ESBUILD, Path(__file__).parent / "uppy_page.js", "--bundle", "--format=iife"],
        capture_output=True,
        check=True,
        text=True,
    )
    return bound.stdout


@pytest.fixture
def uppy(new_page: Callable[..., Page], script: str) -> Page:
    """A page of our origin, under its own Content-Security-Policy, with Uppy on it."""
    page = new_page()
    page.goto("/")
    page.evaluate(script)
    page.evaluate("document.body.innerHTML = '<input type=file id=chosen>'")
    return page


def choose(page: Page, folder: Path, file: File) -> str:
    """Choose the file as a person does; the expression for it."""
    path = folder / file.filename
    path.write_bytes(file.content)
    page.set_input_files("#chosen", path)
    return "chosen.files[0]"


def test_a_22_mb_file_with_a_pause(uppy: Page, tmp_path: Path, traffic: Traffic) -> None:
    file = pdf(22 * MB, filename="Bauanleitung №5.pdf")
    chosen = choose(uppy, tmp_path, file)
    outcome: dict[str, Any] = uppy.evaluate(f"upload({chosen}, {{ pauseAfterParts: 2 }})")
    assert outcome["parts"] == 5
    [answer] = outcome["uploaded"]
    [finalized] = outcome["finalized"]["files"]
    assert finalized["filename"] == file.filename
    assert digest(httpx.get(finalized["fileUrl"]).content) == digest(file.content)
    assert httpx.get(answer["uploadURL"]).status_code == 403, "Uppy is told where the file lies, not how to read it"
    # The pause interrupts the third part; it is asked for again, and nothing else is sent twice.
    assert traffic.answers("/s3/multipart$", "POST") == [200]
    assert traffic.answers("/s3/multipart/[^/]+$", "GET") == [200], "resuming asks what the bucket has"
    sent = [request.url for request in traffic.calls("/files/", "PUT")]
    numbers = [int(url.partition("partNumber=")[2].partition("&")[0]) for url in sent]
    assert sorted(set(numbers)) == [1, 2, 3, 4, 5]
    assert numbers.count(1) == numbers.count(2) == 1
    assert not any(request.headers.get("authorization") for request in traffic.requests), "Uppy sends none"


def test_a_file_given_up_leaves_nothing(uppy: Page, tmp_path: Path, stack: LocalStack, traffic: Traffic) -> None:
    file = pdf(2 * PART)
    chosen = choose(uppy, tmp_path, file)
    with uppy.expect_response(lambda response: response.request.method == "DELETE") as deleted:
        created = uppy.evaluate(f"giveUp({chosen})")
    assert deleted.value.status == 200
    listed = stack.storage.list_multipart_uploads(Bucket=stack.bucket, Prefix=f"files/{created['sessionId']}/")
    assert "Uploads" not in listed
    session = httpx.get(f"{stack.url}{SESSIONS}/{created['sessionId']}").json()
    assert (session["status"], session["files"][0]["status"]) == ("active", "declared")
