"""What was recorded is never lost, and never sent twice: whatever becomes of the microphone, the line and the tab."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Traffic
from tests.support.stacks import Rows

KEEP_STREAMS = """
    window.streams = [];
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wish) => {
        const stream = await ask(wish);
        window.streams.push(stream);
        return stream;
    };
"""
IS_LET_GO = "() => streams.flatMap((stream) => stream.getTracks()).every(({ readyState }) => readyState === 'ended')"


@pytest.fixture
def speaker(new_page: Callable[..., Page]) -> Page:
    """Somebody who lets the page use the microphone."""
    page = new_page(permissions=["microphone"])
    page.add_init_script(KEEP_STREAMS)
    return page


def begin(page: Page, seconds: float = 1.2) -> None:
    """Record for a while."""
    page.goto("/recorder")
    page.get_by_role("button", name="Start recording").click()
    expect(page.locator("#state")).to_have_text("Recording")
    page.wait_for_timeout(seconds * 1000)


def record(page: Page) -> None:
    """Record, and end it."""
    begin(page, 0.5)
    page.get_by_role("button", name="Stop recording").click()
    expect(page.get_by_role("button", name="Send recording")).to_be_focused()


def expect_playable(page: Page) -> None:
    """What was recorded can be heard."""
    page.wait_for_function("() => document.querySelector('#player').readyState >= 2")
    expect(page.locator("#length")).not_to_contain_text("· 0 KB")


@pytest.mark.parametrize(
    "loss", ["streams[0].getTracks()[0].stop()", "streams[0].getTracks()[0].dispatchEvent(new Event('ended'))"]
)
def test_a_microphone_that_is_unplugged_loses_nothing(
    speaker: Page, rows: Rows, loss: str, examine: Callable[[Page, str], None]
) -> None:
    page = speaker
    begin(page)
    page.evaluate(loss)
    page.evaluate("streams[0].getTracks()[0].stop()")
    expect(page.locator("#why-ended")).to_contain_text("The microphone has gone")
    expect_playable(page)
    examine(page, "recorder-lost")
    page.get_by_role("button", name="Send recording").click()
    page.wait_for_url("**/recordings/*")
    row = rows.execute(
        "SELECT status, duration_secs FROM speaking_sessions ORDER BY created_at DESC LIMIT 1"
    ).fetchone()
    assert row
    assert row["status"] == "UPLOADED"
    assert row["duration_secs"] > 0.5


@pytest.mark.parametrize(
    "fault",
    [
        "window.AudioContext = class { constructor() { throw new Error('too many'); } }",
        "AudioContext.prototype.createMediaStreamSource = () => { throw new Error('not this one'); }",
        "AudioContext.prototype.close = () => Promise.reject(new Error('closed'))",
    ],
)
def test_a_level_that_cannot_be_shown_stops_no_recording(speaker: Page, fault: str) -> None:
    page = speaker
    page.add_init_script(fault)
    record(page)
    expect_playable(page)
    page.wait_for_function(IS_LET_GO)


def test_a_recorder_that_fails_lets_the_microphone_go(speaker: Page) -> None:
    page = speaker
    page.add_init_script("MediaRecorder.prototype.start = () => { throw new DOMException('', 'NotSupportedError'); }")
    page.goto("/recorder")
    page.get_by_role("button", name="Start recording").click()
    expect(page.locator("#record-error")).to_contain_text("could not be started")
    page.wait_for_function(IS_LET_GO)
    expect(page.get_by_role("button", name="Start recording")).to_be_enabled()


def test_what_was_discarded_can_be_brought_back(speaker: Page) -> None:
    page = speaker
    record(page)
    length = page.locator("#length").text_content()
    page.get_by_role("button", name="Discard").click()
    page.get_by_role("button", name="Bring back").click()
    expect(page.locator("#length")).to_have_text(length or "")
    expect_playable(page)


@pytest.mark.parametrize("fault", ["lost answer", "down", "busy"])
def test_a_form_is_sent_again_by_itself_and_counts_once(speaker: Page, http: httpx.Client, fault: str) -> None:
    page = speaker
    tries: list[Route] = []

    def fail_first(route: Route) -> None:
        if route.request.method != "POST":
            return route.fallback()
        tries.append(route)
        if len(tries) > 1:
            return route.continue_()
        if fault == "lost answer":
            assert route.fetch().ok
            return route.abort("connectionreset")
        if fault == "busy":
            return route.fulfill(status=429, json={"message": "Too Many Requests"})
        return route.abort("connectionrefused")

    before = http.get("/api/sessions").json()["total"]
    page.route("**/api/sessions", fail_first)
    record(page)
    page.get_by_role("button", name="Send recording").click()
    page.wait_for_url("**/recordings/*")
    assert http.get("/api/sessions").json()["total"] == before + 1
    assert len({route.request.headers["idempotency-key"] for route in tries}) == 1


def test_sending_again_by_hand_sends_the_same(speaker: Page, http: httpx.Client, traffic: Traffic) -> None:
    """Every answer is lost until the person gives up waiting, and presses the button once more."""
    page = speaker

    def lose(route: Route) -> None:
        if route.request.method != "POST":
            return route.fallback()
        assert route.fetch().ok
        return route.abort("connectionreset")

    before = http.get("/api/sessions").json()["total"]
    page.route("**/api/sessions", lose)
    record(page)
    page.get_by_role("button", name="Send recording").click()
    expect(page.locator("#line-note")).to_contain_text("We keep trying")
    page.get_by_role("button", name="Cancel").click()
    page.unroute_all(behavior="wait")
    page.get_by_role("button", name="Send recording").click()
    page.wait_for_url("**/recordings/*")
    assert http.get("/api/sessions").json()["total"] == before + 1
    assert len({call.headers["idempotency-key"] for call in traffic.calls("/api/sessions$", "POST")}) == 1


def test_a_photo_and_an_upload_have_one_key_too(page: Page) -> None:
    page.goto("/files")
    keys: dict[str, Any] = page.evaluate(
        """async () => {
            const { Api, uploadImage, UploadSession } = await import("/web/client/index.js");
            const keys = { photo: [], files: [] };
            globalThis.fetch = async (url, { headers }) => {
                keys[url.includes("/mocs/") ? "files" : "photo"].push(headers["Idempotency-Key"]);
                return new Response('{"code": "INTERNAL_ERROR", "error": "x"}', { status: 500 });
            };
            const file = new File(["\\x89PNG\\r\\n\\x1a\\n"], "a.png", { type: "image/png" });
            const session = new UploadSession(new Api(), [{ file, category: "image" }]);
            for (let press = 0; press < 2; press++) {
                await uploadImage(new Api(), file, { email: "ada@example.com" }).catch(() => {});
                await session.run().catch(() => {});
            }
            return keys;
        }"""
    )
    assert [len(set(these)) for these in keys.values()] == [1, 1]
    assert [len(these) >= 4 for these in keys.values()] == [True, True]
