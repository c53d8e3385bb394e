"""Live progress in a real browser: pushes where they come, polls where they do not, and nobody notices which."""

import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg
import pytest
from playwright.sync_api import Page, Request, WebSocket, WebSocketRoute, expect

from local.stack import LocalStack
from local_aws.ports import free_port
from local_aws.s3_server import S3Server
from tests.browser.conftest import WIDE, Traffic, without_pushes
from tests.support import image_jobs
from tests.support.recordings import tone
from tests.support.relay import Relay
from tests.support.speaking_sessions import announce, put
from tests.support.upload_sessions import MB, pdf

STAGES = {
    "Validate": "Checking your photo",
    "Generate": "Painting the portrait",
    "Store": "Putting it away safely",
    "Watermark": "Preparing your preview",
}
STATUS = "/api/status/[^/]+$"
TICKET = "/live$"
LIVE = re.compile(r"^ws://[^/]+/live\?")
POLL_SECONDS = 2.5
HIDE = """(isHidden) => {
    Object.defineProperty(document, "hidden", { get: () => isHidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
NOTE_PERCENTS = """() => {
    const percent = document.querySelector("#work-percent");
    window.percents = [percent.textContent];
    new MutationObserver(() => window.percents.push(percent.textContent)).observe(percent, { childList: true });
}"""


class Job:
    """A job whose stages the test runs, one by one, by their real functions."""

    def __init__(self, stack: LocalStack, http: httpx.Client) -> None:
        self._stack = stack
        self.upload = image_jobs.reserve(http)
        self.upload.put().raise_for_status()
        image_jobs.confirm(http, self.upload).raise_for_status()
        self._set("status = 'processing', attempt = 1, processing_at = now()")

    def run(self, stage: str) -> None:
        """Run a stage to its end."""
        event = {"uploadId": self.upload.id, "attempt": 1}
        outcome = self._stack.sandboxes.invoke(f"ImageStages{stage}Function", event)
        assert outcome.error is None, outcome

    def change_unseen(self, stage: str, progress: int) -> None:
        """Change it as if no push of it had come through: none is made."""
        self._set(f"stage = '{stage}', progress = {progress}")

    def on(self, stack: LocalStack) -> Self:
        """Have another stack run its stages."""
        self._stack = stack
        return self

    def _set(self, what: str) -> None:
        with psycopg.connect(self._stack.database_url, autocommit=True) as connection:
            connection.execute(f"UPDATE uploads SET {what} WHERE id = '{self.upload.id}'".encode())

    def show(self, page: Page) -> None:
        """Open its page, in a browser that has its token; the workflow is not started."""
        page.route("**/api/process", lambda route: route.fulfill(status=202, json={"success": True}))
        token = f'localStorage.setItem("babypeek-session-{self.upload.id}", "{self.upload.token}")'
        page.add_init_script(token)
        page.goto(f"/processing/{self.upload.id}")


class Lines:
    """The WebSockets of a page, to the server. And what the page has asked that is still to be answered."""

    def __init__(self, page: Page) -> None:
        self.all: list[WebSocket] = []
        self.live: set[WebSocket] = set()
        self.unanswered = 0
        self.requests: set[Request] = set()
        page.on("websocket", self._watch)
        page.on("request", lambda request: self.requests.add(request))
        page.on("requestfinished", lambda request: self.requests.discard(request))
        page.on("requestfailed", lambda request: self.requests.discard(request))

    def _watch(self, line: WebSocket) -> None:
        self.all.append(line)
        line.on("framesent", lambda _: self._sent())
        line.on("framereceived", lambda words: self._heard(line, words))
        line.on("close", lambda _: self._closed(line))

    def _sent(self) -> None:
        self.unanswered += 1

    def _heard(self, line: WebSocket, words: str | bytes) -> None:
        if line not in self.live or "pong" in str(words):
            self.unanswered -= 1
        self.live.add(line)

    def _closed(self, line: WebSocket) -> None:
        self.live.discard(line)
        self.unanswered = 0


@pytest.fixture
def job(stack: LocalStack, http: httpx.Client) -> Job:
    return Job(stack, http)


@pytest.fixture
def lines(page: Page) -> Lines:
    return Lines(page)


def until(page: Page, holds: Callable[[], Any]) -> None:
    """Wait until something holds, while the browser's events come in."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        page.wait_for_timeout(15)


def expect_stage(page: Page, stage: str) -> None:
    expect(page.locator("#work-title")).to_have_text(STAGES[stage])


def pass_time(page: Page, lines: Lines, seconds: float) -> None:
    """Let the page's clock run, in steps; what is asked meanwhile is answered before it runs on."""
    for _ in range(int(seconds * 2)):
        page.clock.run_for(500)
        page.wait_for_timeout(5)
        until(page, lambda: not lines.requests and lines.unanswered == 0)


def stop_clock(page: Page) -> None:
    """From now on nothing happens in the page because time passes."""
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1)


def test_pushes_show_each_stage_without_a_poll(page: Page, job: Job, lines: Lines, traffic: Traffic) -> None:
    job.show(page)
    until(page, lambda: lines.live)
    page.evaluate(NOTE_PERCENTS)
    for stage in STAGES:
        job.run(stage)
        expect_stage(page, stage)
    job.run("Complete")
    expect(page.get_by_role("heading", name="Your portrait is ready")).to_be_visible()
    assert page.evaluate("window.percents")[1:] == ["10 %", "30 %", "70 %", "80 %", "90 %", "100 %"]
    assert len(traffic.calls(STATUS)) == 1, "the first one"
    until(page, lambda: not lines.live)


def test_one_poll_a_minute_while_pushes_come(page: Page, job: Job, lines: Lines, traffic: Traffic) -> None:
    page.clock.install()
    job.show(page)
    until(page, lambda: lines.live)
    for minute in range(1, 5):
        pass_time(page, lines, 60)
        assert minute <= len(traffic.calls(STATUS)) <= minute + 1
    assert len(lines.all) == 1, "it stayed open, though nothing happened"
    assert len(traffic.calls(TICKET)) == 1
    # What no push tells is found all the same.
    job.change_unseen("generating", 30)
    pass_time(page, lines, 61)
    expect_stage(page, "Generate")


def refused(line: WebSocketRoute) -> None:
    """A proxy that lets no WebSocket through."""
    line.close()


def silent(_: WebSocketRoute) -> None:
    """A proxy that opens it, and passes nothing on."""


@pytest.mark.parametrize("proxy", [refused, silent])
def test_where_no_push_comes_through_the_page_polls(
    page: Page, job: Job, traffic: Traffic, proxy: Callable[[WebSocketRoute], None]
) -> None:
    page.route_web_socket(LIVE, proxy)
    expect_polls(page, job, traffic)


def test_where_a_line_never_opens_the_page_polls(new_page: Callable[..., Page], job: Job, traffic: Traffic) -> None:
    page = new_page(bypass_csp=True)
    with socket.create_server(("127.0.0.1", 0)) as hole:  # takes connections, and says nothing
        url = f"ws://127.0.0.1:{hole.getsockname()[1]}/live?ticket=any"
        page.route("**/live", lambda route: route.fulfill(status=201, json={"liveUrl": url, "expiresAt": ""}))
        expect_polls(page, job, traffic)


def expect_polls(page: Page, job: Job, traffic: Traffic) -> None:
    """The page asks every 2.5 seconds, and ever less often for a ticket."""
    lines = Lines(page)
    page.clock.install()
    job.show(page)
    until(page, lambda: traffic.answers(STATUS))
    for stage in ("Validate", "Generate"):
        job.run(stage)
        pass_time(page, lines, 2 * POLL_SECONDS)
        expect_stage(page, stage)
    before = len(traffic.calls(STATUS))
    pass_time(page, lines, 60)
    assert 20 <= len(traffic.calls(STATUS)) - before <= 60 / POLL_SECONDS
    assert 2 <= len(traffic.calls(TICKET)) <= 8
    before = len(traffic.calls(TICKET))
    pass_time(page, lines, 60)
    assert len(traffic.calls(TICKET)) - before <= 2


def test_where_nothing_is_pushed_nobody_asks_again(page: Page, job: Job, lines: Lines, traffic: Traffic) -> None:
    page.clock.install()
    without_pushes(page)
    job.show(page)
    until(page, lambda: traffic.answers(TICKET))
    for stage in ("Validate", "Generate"):
        job.run(stage)
        pass_time(page, lines, 2 * POLL_SECONDS)
        expect_stage(page, stage)
    pass_time(page, lines, 60)
    assert len(traffic.calls(TICKET)) == 1
    assert lines.all == []


def test_a_restarted_gateway_is_found_again(
    new_page: Callable[..., Page], open_stack: Callable[..., LocalStack], traffic: Traffic
) -> None:
    kept = {"PORT": str(free_port()), "RATE_LIMIT_BYPASS": "true"}
    with open_stack(**kept) as first:
        kept |= {"DATABASE_URL": first.database_url, "BUCKET": first.bucket}
        page = new_page(base_url=first.url)
        lines = Lines(page)
        with httpx.Client(base_url=first.url, timeout=30) as http:
            job = Job(first, http)
        job.show(page)
        until(page, lambda: lines.live)
        job.run("Validate")
        expect_stage(page, "Validate")
    until(page, lambda: not lines.live)
    expect(page.locator("#trouble")).to_contain_text("We can't reach the server")
    with open_stack(**kept) as second:
        job = job.on(second)
        until(page, lambda: lines.live)
        expect(page.locator("#trouble")).to_be_empty()
        before = len(traffic.calls(STATUS))
        job.run("Generate")
        expect_stage(page, "Generate")
        assert len(traffic.calls(STATUS)) == before, "pushed again"


def test_pushes_that_are_repeated_reversed_or_lost_do_no_harm(
    page: Page, job: Job, lines: Lines, traffic: Traffic
) -> None:
    held: list[str | bytes] = []
    passed: list[WebSocketRoute] = []

    def hold(line: WebSocketRoute) -> None:
        def hear(words: str | bytes) -> None:
            if "pong" not in str(words) and passed:
                held.append(words)
            else:
                line.send(words)
                passed.append(line)

        line.connect_to_server().on_message(hear)

    page.route_web_socket(LIVE, hold)
    page.clock.install()
    job.show(page)
    until(page, lambda: passed)
    page.evaluate(NOTE_PERCENTS)
    for stage in ("Validate", "Generate", "Store"):
        job.run(stage)
    until(page, lambda: len(held) == 4)  # generating tells twice
    for words in [held[2], held[0], *reversed(held), held[1], *held]:
        passed[0].send(words)
    expect(page.locator("#work-percent")).to_have_text("80 %")
    job.run("Watermark")
    until(page, lambda: len(held) == 5)  # lost
    pass_time(page, lines, 61)
    expect_stage(page, "Watermark")
    assert page.evaluate("window.percents")[1:] == ["70 %", "80 %", "90 %"]
    assert len(traffic.calls(STATUS)) <= 2


def test_a_hidden_page_hangs_up_and_catches_up_when_it_is_seen(page: Page, job: Job, lines: Lines) -> None:
    page.clock.install()
    job.show(page)
    until(page, lambda: lines.live)
    page.evaluate(HIDE, True)
    pass_time(page, lines, 50)
    assert lines.live, "who comes back soon finds it open"
    pass_time(page, lines, 12)
    until(page, lambda: not lines.live)
    stop_clock(page)
    job.run("Validate")
    job.run("Generate")
    page.evaluate(HIDE, False)
    expect_stage(page, "Generate")
    page.clock.resume()
    until(page, lambda: lines.live)
    assert len(lines.all) == 2


def test_after_an_hour_asleep_it_catches_up_at_once(page: Page, job: Job, lines: Lines, traffic: Traffic) -> None:
    """The line is dead, and no end of it was told."""
    dead: set[WebSocketRoute] = set()
    routes: list[WebSocketRoute] = []

    def pass_on(line: WebSocketRoute) -> None:
        server = line.connect_to_server()
        line.on_message(lambda words: server.send(words) if line not in dead else None)
        server.on_message(lambda words: line.send(words) if line not in dead else None)
        routes.append(line)

    page.route_web_socket(LIVE, pass_on)
    page.clock.install()
    job.show(page)
    until(page, lambda: lines.live)
    dead.add(routes[0])
    stop_clock(page)
    job.run("Validate")
    page.clock.fast_forward("01:00:00")
    expect_stage(page, "Validate")
    page.clock.resume()
    until(page, lambda: len(lines.all) == 2 and lines.all[1] in lines.live)
    before = len(traffic.calls(STATUS))
    job.run("Generate")
    expect_stage(page, "Generate")
    assert len(traffic.calls(STATUS)) == before, "pushed again"


def test_another_browser_sees_files_arrive(
    new_page: Callable[..., Page],
    start_stack: Callable[..., LocalStack],
    s3: S3Server,
    tmp_path: Path,
    traffic: Traffic,
    examine: Callable[[Page, str], None],
) -> None:
    files = []
    for file in (pdf(3000, filename="castle.pdf"), pdf(12 * MB, filename="manual.pdf")):
        files.append(tmp_path / file.filename)
        files[-1].write_bytes(file.content)
    with Relay(s3.endpoint_url, bytes_per_second=0.4 * MB) as relay:
        slow = start_stack(S3_ENDPOINT_URL=relay.url, RATE_LIMIT_BYPASS="true")
        bucket = relay.url.removeprefix("http://")
        sender, watcher = (new_page(base_url=slow.url, viewport=WIDE, third_parties=[bucket]) for _ in range(2))
        sender.goto("/files")
        sender.set_input_files("#files", files)
        with sender.expect_response(re.compile("/uploads/sessions$")):
            sender.get_by_role("button", name="Send 2 files").click()
        watcher.goto("/your-files")
        watcher.get_by_role("link", name="Unfinished").click()
        manual = watcher.locator(".file").filter(has_text="manual.pdf")
        expect(manual.locator(".file-note")).to_have_text(re.compile(r"^12 MB · 0 % arrived · [1-9][0-9]? % sent$"))
        assert manual.locator("progress").evaluate("(bar) => bar.value") == 0, "sent is not arrived"
        expect(watcher.locator("#words")).to_contain_text("being sent from another browser")
        expect(watcher.get_by_role("button", name="Continue")).to_be_hidden()
        expect(watcher.get_by_role("link", name="Download castle.pdf")).to_be_visible()
        examine(watcher, "file-set-arriving")
        before = len(traffic.calls("/uploads/sessions/[^/]+$", "GET"))
        relay.mend()
        expect(watcher.locator("#status")).to_have_text("Complete", timeout=60_000)
        expect(watcher.get_by_role("link", name="Download manual.pdf")).to_be_visible()
        assert len(traffic.calls("/uploads/sessions/[^/]+$", "GET")) == before, "pushed"
        expect(sender.locator("#total-title")).to_have_text("All files have arrived")
        assert len(traffic.calls(TICKET)) == 1, "the sender needed none: its session came with one"


def test_a_recording_s_page_shows_that_it_has_arrived(
    page: Page, http: httpx.Client, lines: Lines, traffic: Traffic
) -> None:
    content = tone()
    announced = announce(http, size=len(content)).raise_for_status().json()
    page.goto(f"/recordings/{announced['id']}")
    expect(page.locator("#status")).to_have_text("Not sent")
    expect(page.locator("#player")).to_be_hidden()
    until(page, lambda: lines.live)
    asked = len(traffic.calls("/api/sessions/[^/]+$"))  # until the line is live, it may poll
    put(announced, content).raise_for_status()
    http.post(f"/api/sessions/{announced['id']}/complete").raise_for_status()
    expect(page.locator("#status")).to_have_text("Received")
    expect(page.locator("#player")).to_be_visible()
    assert len(traffic.calls("/api/sessions/[^/]+$")) == asked, "pushed"
