"""What becomes of a recording, on its page and in the list: stages, words to listen to, numbers, hints, another try."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import WIDE, Traffic, hurry, without_pushes
from tests.support.recordings import tone
from tests.support.speaking_sessions import change, recorded, send_form
from tests.support.stacks import Rows

TEXT = "So this is, um, where we begin."
METRICS: dict[str, Any] = {
    "totalSecs": 95.0,
    "speakingSecs": 80.0,
    "longestRunSecs": 31.5,
    "runs": [
        {"startSecs": start, "endSecs": end} for start, end in [(1, 32.5), (33.5, 50), (55, 70), (71, 80), (81, 95)]
    ],
    "pauses": {"count": 4, "longCount": 1, "longestSecs": 5.0},
    "loudnessDb": -22.4,
    "clippedShare": 0.0,
    "words": 210,
    "wordsPerMinute": 140.0,
    "articulationRate": 157.5,
    "vocabulary": 0.61,
    "repeatedWords": 1,
    "fillers": {"count": 5, "per100Words": 2.38, "byWord": {"um": 4, "you know": 1}},
}
WORDLESS = {"words", "wordsPerMinute", "articulationRate", "vocabulary", "repeatedWords", "fillers"}
IS_PLAYING = "() => !document.querySelector('#player').paused"
POSITION = "document.querySelector('#player').currentTime"


def sentence(text: str, start: float, end: float) -> dict[str, Any]:
    """A segment whose words are spoken evenly."""
    words = text.split()
    each = (end - start) / len(words)
    timed = [
        {"text": word, "startSecs": start + index * each, "endSecs": start + (index + 0.95) * each}
        for index, word in enumerate(words)
    ]
    return {"startSecs": start, "endSecs": end, "text": text, "words": timed}


def complete(
    rows: Rows, session_id: str, segments: list[dict[str, Any]] | None, metrics: dict[str, Any], engine: str = "local"
) -> None:
    """What the last stage writes. Without segments: the engine knows no such language."""
    if segments is not None:
        text = " ".join(segment["text"] for segment in segments)
        rows.execute(
            "INSERT INTO transcripts (session_id, text, language, engine, segments) VALUES (%s, %s, 'en', %s, %s)",
            [session_id, text, engine, json.dumps(segments)],
        )
    change(rows, session_id, metrics=json.dumps(metrics), stage="complete", progress=100, attempt=1, status="COMPLETED")


def hint(rows: Rows, session_id: str, severity: str, message: str, start: float | None = None) -> None:
    rows.execute(
        "INSERT INTO insights (session_id, category, severity, message, suggestion, start_secs)"
        " VALUES (%s, 'pace', %s, %s, 'Breathe.', %s)",
        [session_id, severity, message, start],
    )


def test_the_page_goes_through_the_stages(
    page: Page, http: httpx.Client, rows: Rows, examine: Callable[[Page, str], None]
) -> None:
    session_id = recorded(http)
    change(rows, session_id, attempt=1)
    without_pushes(page)
    hurry(page)
    page.goto(f"/recordings/{session_id}")
    expect(page.locator("#work-title")).to_have_text("Waiting to be heard")
    for stage, progress, words in [
        ("preparing", 10, "Listening to the sound"),
        ("transcribing", 60, "Writing down the words"),
        ("analysing", 80, "Working out the numbers"),
    ]:
        change(rows, session_id, status="PROCESSING", stage=stage, progress=progress)
        expect(page.locator("#work-title")).to_have_text(words)
        expect(page.locator("[aria-current=step]")).to_have_text(words)
        expect(page.locator("#status")).to_have_text(f"Being heard, {progress} %")
        expect(page.locator("#live")).to_have_text(words)
    assert page.locator("#work-bar").evaluate("(bar) => bar.value") == 80
    examine(page, "recording-being-heard")
    complete(rows, session_id, [sentence(TEXT, 0.5, 3)], METRICS)
    expect(page.get_by_role("button", name=TEXT)).to_be_visible()
    expect(page.locator("#work")).to_be_hidden()
    expect(page.locator("#live")).to_have_text("Heard")


def test_a_page_older_than_the_last_release_shows_what_was_heard_once_reloaded(
    page: Page, http: httpx.Client, rows: Rows
) -> None:
    session_id = recorded(http)
    complete(rows, session_id, [sentence(TEXT, 0.5, 3)], METRICS)
    page.route("**/recording-transcript.js", lambda route: route.fulfill(status=404))
    page.goto(f"/recordings/{session_id}")
    expect(page.locator("#error")).to_contain_text("We have renewed this page")
    page.unroute("**/recording-transcript.js")
    page.locator("#error").get_by_role("button", name="Reload").click()
    expect(page.get_by_role("button", name=TEXT)).to_be_visible()


@pytest.mark.parametrize("options", [{}, {"viewport": WIDE, "color_scheme": "dark"}], ids=["phone", "wide"])
def test_words_numbers_and_hints(
    new_page: Callable[..., Page],
    http: httpx.Client,
    rows: Rows,
    options: dict[str, Any],
    examine: Callable[[Page, str], None],
) -> None:
    session_id = send_form(http, tone(95), duration="95").json()["id"]
    segments = [
        sentence("word " * 45, 1, 31),
        sentence("word " * 75, 36, 66),
        sentence("A last sentence to listen to.", 90, 94),
    ]
    complete(rows, session_id, segments, METRICS)
    hint(rows, session_id, "low", "You paused for long.")
    hint(rows, session_id, "high", "Here you speak fast.", 36.0)
    page = new_page(**options)
    page.goto(f"/recordings/{session_id}")

    expect(page.locator("#facts")).to_contain_text("140 words a minute")
    expect(page.locator("#facts")).to_contain_text("61 % different words")
    expect(page.locator("#facts")).to_contain_text("1:20 minutes")
    expect(page.locator("#pauses-words")).to_contain_text("4 pauses of half a second and more, 1 of two seconds")
    expect(page.get_by_role("img", name="Speech and pauses").locator(".bar")).to_have_count(5)
    pace = page.get_by_role("img", name="Pace over time")
    expect(pace.locator(".bar")).to_have_count(6)
    expect(page.locator("#pace-words")).to_contain_text("fastest at 0:47 with")
    heights = [float(bar.get_attribute("height") or 0) for bar in pace.locator(".bar").all()]
    assert heights[3] == max(heights)
    expect(page.locator("#fillers-list li")).to_have_text(["um4 times", "you knowonce"])
    expect(page.locator("#insights b")).to_have_text(["Here you speak fast.", "You paused for long."])
    page.get_by_text("What do these numbers mean?").click()
    expect(page.get_by_text("National Center for Voice and Speech")).to_be_visible()
    examine(page, f"recording-numbers-{page.viewport_size and page.viewport_size['width']}")

    page.get_by_role("button", name="A last sentence to listen to.").click()
    page.wait_for_function(IS_PLAYING)
    assert page.evaluate(POSITION) >= 90
    expect(page.locator("[aria-current=true]")).to_have_text("1:30 A last sentence to listen to.")
    needle = float(page.locator(".needle").get_attribute("x") or 0)
    assert needle > 550, "the picture shows where it plays"
    [button] = page.get_by_role("button", name="Hear it").all()
    button.click()
    page.wait_for_function(f"() => {POSITION} >= 36 && {POSITION} < 60")
    expect(page.locator("[aria-current=true] .time")).to_have_text("0:36")


def test_a_recording_without_a_length_is_heard_from_the_middle(new_page: Callable[..., Page], rows: Rows) -> None:
    """What Chromium records says nothing of its length, and it cannot be searched until that is known."""
    page = new_page(permissions=["microphone"])
    page.goto("/recorder")
    page.get_by_role("button", name="Start recording").click()
    expect(page.get_by_role("timer")).to_have_text("0:03")
    page.get_by_role("button", name="Stop recording").click()
    page.get_by_role("button", name="Send recording").click()
    page.wait_for_url("**/recordings/*")
    complete(rows, page.url.rpartition("/")[2], [sentence("First.", 0, 1), sentence("Second.", 2, 3)], METRICS)
    page.reload()
    page.wait_for_function("() => document.querySelector('#player').readyState >= 1")
    assert not page.evaluate("Number.isFinite(document.querySelector('#player').duration)")
    page.get_by_role("button", name="Second.").click()
    page.wait_for_function(f"() => {POSITION} >= 2 && {POSITION} < 10")
    expect(page.locator("[aria-current=true]")).to_contain_text("Second.")


def test_another_language_is_told_without_words(
    page: Page, http: httpx.Client, rows: Rows, examine: Callable[[Page, str], None]
) -> None:
    session_id = send_form(http, tone(), language="de").json()["id"]
    complete(rows, session_id, None, METRICS | dict.fromkeys(WORDLESS))
    page.goto(f"/recordings/{session_id}")
    expect(page.locator("#transcript-note")).to_contain_text("This recording is in German. Here only English")
    expect(page.get_by_text("Rough, made on this machine")).to_be_hidden()
    expect(page.locator("#pauses-words")).to_contain_text("4 pauses")
    expect(page.locator("#facts")).not_to_contain_text("words a minute")
    expect(page.locator("#pace")).to_be_hidden()
    expect(page.locator("#fillers")).to_be_hidden()
    examine(page, "recording-german")


def test_english_ranges_are_for_english_alone(page: Page, http: httpx.Client, rows: Rows) -> None:
    session_id = send_form(http, tone(), language="fr").json()["id"]
    complete(rows, session_id, [sentence("mot " * 130, 1, 61)], METRICS | {"fillers": None}, engine="gemini")
    page.goto(f"/recordings/{session_id}")
    expect(page.get_by_role("img", name="Pace over time")).to_be_visible()
    expect(page.locator("#facts")).to_contain_text("140 words a minute")
    expect(page.locator("#facts")).not_to_contain_text("presentations")
    expect(page.locator("#pace-band")).to_be_hidden()
    assert page.locator("#pace-picture .band").count() == 0
    expect(page.locator("#fillers-words")).to_have_text("Which words only fill a silence is known for English alone.")
    expect(page.get_by_text("Rough, made on this machine")).to_be_hidden()


def test_the_list_keeps_up_with_what_is_being_heard(
    page: Page, http: httpx.Client, rows: Rows, traffic: Traffic, examine: Callable[[Page, str], None]
) -> None:
    rows.execute("TRUNCATE speaking_sessions CASCADE")
    failed, heard, under_way = (recorded(http) for _ in range(3))
    change(rows, failed, attempt=1, stage="failed", status="FAILED")
    complete(rows, heard, [], METRICS)
    change(rows, under_way, attempt=1, stage="transcribing", progress=30, status="PROCESSING")
    hurry(page)
    page.goto("/recordings")
    badges = page.locator("#list .badge")
    expect(badges).to_have_text(["Being heard, 30 %", "Heard", "Failed"])
    page.locator("#list a").first.focus()
    change(rows, under_way, progress=60)
    expect(badges.first).to_have_text("Being heard, 60 %")
    expect(page.locator("#list a").first).to_be_focused()
    examine(page, "recordings-being-heard")
    newest = recorded(http)
    expect(badges).to_have_text(["Received", "Being heard, 60 %", "Heard", "Failed"])
    expect(page.locator("#list a").nth(1)).to_be_focused()
    complete(rows, newest, [], METRICS)
    change(rows, under_way, stage="complete", progress=100, status="COMPLETED")
    expect(badges).to_have_text(["Heard", "Heard", "Heard", "Failed"])
    page.wait_for_timeout(600)
    asked = len(traffic.calls("/api/sessions$", "GET"))
    page.wait_for_timeout(1200)
    assert len(traffic.calls("/api/sessions$", "GET")) == asked, "nothing is under way: nobody asks"


def test_nobody_is_kept_waiting_where_recordings_are_only_kept(
    page: Page, http: httpx.Client, rows: Rows, traffic: Traffic, examine: Callable[[Page, str], None]
) -> None:
    rows.execute("TRUNCATE speaking_sessions CASCADE")
    session_id = recorded(http)
    rows.execute("UPDATE speaking_sessions SET updated_at = now() - interval '1 day'")
    hurry(page)
    page.goto("/recordings")
    expect(page.locator("#list .badge")).to_have_text("Received")
    page.wait_for_timeout(1200)
    assert len(traffic.calls("/api/sessions$", "GET")) == 1, "nothing is expected: nobody asks"
    page.get_by_role("link", name="Untitled").click()
    expect(page.locator("#work-lead")).to_contain_text("kept safe, and nobody has listened yet")
    examine(page, "recording-kept")
    assert session_id in page.url
