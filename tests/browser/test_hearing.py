"""Recordings that are really heard, behind their page: from end to end, and again after a failure."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from local.stack import LocalStack
from tests.browser.conftest import Traffic
from tests.support import recordings
from tests.support.speaking_sessions import change, recorded, send_form
from tests.support.stacks import Rows

SPEECH = Path(__file__).parent.parent / "support" / "speech" / "austen.flac"
SENTENCE_SECS = 7
IS_PLAYING = "() => !document.querySelector('#player').paused"


@pytest.fixture(scope="module")
def stack(open_stack: Callable[..., LocalStack]) -> Iterator[LocalStack]:
    """A stack that hears what it is sent."""
    with open_stack(ANALYSIS="local", RATE_LIMIT_BYPASS="true") as running:
        yield running


@pytest.mark.skipif("ffmpeg" in recordings.MISSING, reason="needs ffmpeg")
def test_a_sentence_is_heard_from_end_to_end(
    page: Page, http: httpx.Client, tmp_path: Path, examine: Callable[[Page, str], None]
) -> None:
    spoken = tmp_path / "spoken.webm"
    command = ["ffmpeg", "-v", "error", "-i", str(SPEECH), "-t", str(SENTENCE_SECS), "-c:a", "libopus", str(spoken)]
    subprocess.run(command, check=True, capture_output=True)
    answer = send_form(http, spoken.read_bytes(), content_type="audio/webm", topic="Sense and Sensibility")
    page.goto(f"/recordings/{answer.raise_for_status().json()['id']}")

    expect(page.locator("#status")).to_have_text("Heard", timeout=90_000)
    expect(page.get_by_role("heading", name="Sense and Sensibility")).to_be_visible()
    expect(page.get_by_text("Rough, made on this machine")).to_be_visible()
    expect(page.locator("#sentences")).to_contain_text("to consider how much there might be")
    expect(page.locator("#note")).to_contain_text("0:07")
    expect(page.get_by_text("It takes half a minute of speech and 50 words to tell a pace.")).to_be_visible()
    page.locator(".sentence").last.click()
    page.wait_for_function(IS_PLAYING)
    expect(page.locator(".sentence").last).to_have_attribute("aria-current", "true")
    examine(page, "recording-heard")


def test_a_failed_one_is_heard_again(
    page: Page, http: httpx.Client, rows: Rows, traffic: Traffic, examine: Callable[[Page, str], None]
) -> None:
    session_id = recorded(http)
    said = "The analysis failed. Please try again."
    change(rows, session_id, attempt=1, stage="failed", progress=30, error_message=said, status="FAILED")
    page.goto(f"/recordings/{session_id}")
    expect(page.locator("#failure-reason")).to_have_text(said)
    examine(page, "recording-failed")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#failure-reason")).to_be_hidden()
    assert traffic.answers("/analyse$", "POST") == [202]
    attempts = rows.execute("SELECT attempt FROM speaking_sessions WHERE id = %s", [session_id]).fetchone()
    assert attempts == {"attempt": 2}


@pytest.mark.parametrize("is_final", [True, False], ids=["refused", "three times"])
def test_what_failed_for_good_offers_no_more_tries(
    page: Page, http: httpx.Client, rows: Rows, is_final: bool, examine: Callable[[Page, str], None]
) -> None:
    session_id = recorded(http)
    said = "This file has no sound." if is_final else "The analysis failed. Please try again."
    attempt = 1 if is_final else 3
    change(rows, session_id, attempt=attempt, final=is_final, stage="failed", error_message=said, status="FAILED")
    page.goto(f"/recordings/{session_id}")
    page.get_by_role("button", name="Try again").click()
    reason = page.locator("#failure-reason")
    expect(reason).to_contain_text("Another try would end the same.")
    expect(reason).to_contain_text(said if is_final else "This recording can't be analysed. Please record it again.")
    if not is_final:
        expect(reason).not_to_contain_text("try again")
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    expect(page.get_by_role("link", name="Record again")).to_be_visible()
    examine(page, "recording-refused")
