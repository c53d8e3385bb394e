"""Recording in a real browser, with Chromium's beeping microphone: record, listen, send, find again, delete."""

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Page, expect

from local.stack import LocalStack
from tests.browser.conftest import WIDE, Traffic
from tests.support.recordings import tone


@pytest.fixture
def speaker(new_page: Callable[..., Page]) -> Page:
    """Somebody who lets the page use the microphone."""
    return new_page(permissions=["microphone"])


@pytest.fixture
def rows(stack: LocalStack) -> Iterator[psycopg.Connection[Any]]:
    """The stack's database, without recordings."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE speaking_sessions CASCADE")
        yield connection


def record(page: Page, seconds: float) -> None:
    """Start and stop."""
    page.get_by_role("button", name="Start recording").click()
    expect(page.locator("#state")).to_have_text("Recording")
    page.wait_for_timeout(seconds * 1000)
    page.get_by_role("button", name="Stop recording").click()
    expect(page.get_by_role("button", name="Send recording")).to_be_focused()


def test_recorded_heard_sent_found_and_deleted(
    speaker: Page, traffic: Traffic, rows: psycopg.Connection[Any], examine: Callable[[Page, str], None]
) -> None:
    page = speaker
    page.goto("/recorder")
    record(page, 0.3)
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("timer")).to_have_text("0:00")
    examine(page, "recorder")
    assert traffic.calls("/api/") == [], "nothing leaves the page before it is sent"

    page.get_by_role("button", name="Start recording").click()
    expect(page.get_by_role("timer")).to_have_text("0:01")
    level = "Number(bar.style.getPropertyValue('--level'))"
    page.wait_for_function(f"() => [...document.querySelectorAll('#meter i')].some((bar) => {level} > 0.05)")
    examine(page, "recorder-recording")
    page.get_by_role("button", name="Stop recording").click()
    page.wait_for_function("() => document.querySelector('#player').readyState >= 2")
    page.get_by_label("Topic").fill("Stand-up, week 12")
    page.get_by_label("Language").select_option("de")
    examine(page, "recorder-review")
    page.get_by_role("button", name="Send recording").click()

    expect(page.get_by_role("heading", name="Stand-up, week 12")).to_be_visible()
    page.wait_for_function("() => document.querySelector('#player').readyState >= 1")
    assert rows.execute("SELECT status, language, duration_secs >= 1 FROM speaking_sessions").fetchall() == [
        ("UPLOADED", "de", True)
    ]
    assert len(traffic.calls("/api/sessions$", "POST")) == 1

    page.get_by_role("link", name="Recordings").last.click()
    page.get_by_role("link", name="Stand-up, week 12").click()
    page.get_by_role("button", name="Delete recording").click()
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Delete recording").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Nothing recorded yet")).to_be_visible()
    examine(page, "recordings-empty")


def test_a_large_recording_goes_straight_to_the_bucket(page: Page, traffic: Traffic, http: httpx.Client) -> None:
    page.goto("/recorder")
    session = page.evaluate(
        """async ([sample, size]) => {
            const { Api, uploadRecording } = await import("/web/client/index.js");
            const head = Uint8Array.from(atob(sample), (letter) => letter.charCodeAt(0));
            const audio = new Blob([head, new Uint8Array(size - head.length)], { type: "audio/wav" });
            const told = [];
            const options = { duration: 60, topic: "Long", onProgress: (sent, total) => told.push(sent / total) };
            const { id } = await uploadRecording(new Api(), audio, options);
            return { id, last: told.at(-1) };
        }""",
        [base64.b64encode(tone()).decode(), 6_000_000],
    )

    assert session["last"] == 1
    assert http.get(f"/api/sessions/{session['id']}").json()["status"] == "UPLOADED"
    assert len(traffic.calls("/audio.wav$", "PUT")) == 1


def test_transcript_insights_and_pages(
    new_page: Callable[..., Page],
    http: httpx.Client,
    rows: psycopg.Connection[Any],
    examine: Callable[[Page, str], None],
) -> None:
    for number in range(12):
        form = {"duration": str(number), "topic": f"Talk {number}"}
        http.post("/api/sessions", data=form, files={"audio": ("a.wav", tone(), "audio/wav")}).raise_for_status()
    newest = http.get("/api/sessions").json()["sessions"][0]["id"]
    rows.execute("UPDATE speaking_sessions SET status = 'COMPLETED' WHERE id = %s", [newest])
    rows.execute(
        "INSERT INTO transcripts (session_id, text, language, engine)"
        " VALUES (%s, 'Good morning everybody.', 'en', 'unknown')",
        [newest],
    )
    for severity in ("low", "critical"):
        rows.execute(
            "INSERT INTO insights (session_id, category, severity, message) VALUES (%s, 'pace', %s, %s)",
            [newest, severity, f"A {severity} remark"],
        )
    page = new_page(viewport=WIDE, color_scheme="dark")

    page.goto("/recordings")
    expect(page.locator("#list li")).to_have_count(10)
    examine(page, "recordings")
    page.get_by_role("link", name="Older").click()
    expect(page.locator("#where")).to_have_text("Page 2 of 2")
    expect(page.locator("#list li")).to_have_count(2)
    page.get_by_role("link", name="Newer").click()
    page.get_by_role("link", name=re.compile("Talk 11")).click()

    expect(page.get_by_text("Good morning everybody.")).to_be_visible()
    expect(page.locator("#insights b")).to_have_text(["A critical remark", "A low remark"])
    expect(page.locator("#status")).to_have_text("Heard")
    examine(page, "recording")


def test_without_a_microphone_the_page_says_so(page: Page, examine: Callable[[Page, str], None]) -> None:
    page.goto("/recorder")
    page.get_by_role("button", name="Start recording").click()
    expect(page.get_by_role("alert").first).to_contain_text("This page may not use the microphone")
    examine(page, "recorder-refused")
    expect(page.get_by_role("button", name="Start recording")).to_be_enabled()


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("delete window.MediaRecorder", "This browser can't record"),
        (
            "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError'))",
            "No microphone was found",
        ),
    ],
)
def test_without_support_or_device_the_page_says_so(page: Page, missing: str, words: str) -> None:
    page.add_init_script(missing)
    page.goto("/recorder")
    start = page.get_by_role("button", name="Start recording")
    if start.is_visible():
        start.click()
    expect(page.get_by_text(words)).to_be_visible()


def test_a_recording_that_is_gone(page: Page, examine: Callable[[Page, str], None]) -> None:
    page.goto("/recordings/00000000-0000-4000-8000-000000000000")
    expect(page.get_by_role("alert")).to_have_text("This recording is not here any more.")
    examine(page, "recording-gone")
