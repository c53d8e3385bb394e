"""A photograph's way in a real browser: chosen, sent, watched, shown; and everything that can come between."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Request, Route, expect

from inlet import answers
from local.stack import LocalStack
from tests.browser.conftest import Traffic, hurry, without_pushes
from tests.support.photographs import noise, photograph

E_MAIL = "ada@example.com"
FIRST_PAGE_BYTES = 100 * 1024


@pytest.fixture(scope="session")
def jpeg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph of about a megabyte."""
    file = tmp_path_factory.mktemp("photographs") / "holiday.jpg"
    file.write_bytes(photograph(noise(1600, 1200), quality=90))
    return file


def send(page: Page, file: Path | dict[str, Any], email: str = E_MAIL) -> None:
    """Choose the file, fill in the form and submit it."""
    page.goto("/")
    page.set_input_files("#file", file)  # type: ignore[arg-type]
    page.get_by_label("Your e-mail").fill(email)
    page.get_by_role("button", name="Send photo").click()


def expect_result(page: Page) -> None:
    """The portrait is there and has been drawn."""
    expect(page.get_by_role("heading", name="Your portrait is ready")).to_be_visible(timeout=20_000)
    page.wait_for_function("() => document.querySelector('#preview').naturalWidth > 0")


def slow_down(page: Page, bytes_per_second: int) -> None:
    """Let the page send only so fast; -1: as fast as it can."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second},
    )


def stored(page: Page) -> dict[str, str]:
    """What the page keeps in local storage."""
    items: dict[str, str] = page.evaluate("Object.fromEntries(Object.entries(localStorage))")
    return items


def job_of(page: Page) -> str:
    """The job the address names."""
    page.wait_for_url("**/processing/*")
    return page.url.rpartition("/")[2]


def delete_for_good(page: Page) -> None:
    """Ask for it, and mean it."""
    page.get_by_role("button", name="Delete this photo").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()


def idle(page: Page) -> None:
    """Let the page believe that its job was started: then nothing happens to it."""
    page.route("**/api/process", lambda route: route.fulfill(status=202, json={"success": True}))


def test_first_page_is_light(page: Page, traffic: Traffic) -> None:
    page.goto("/")
    page.wait_for_selector("#start:not([hidden])")

    sizes = {response.url: len(response.body()) for response in traffic.responses}
    assert len(sizes) > 5
    assert sum(sizes.values()) <= FIRST_PAGE_BYTES, sizes


def test_from_choosing_to_the_portrait_and_back(
    page: Page, traffic: Traffic, jpeg: Path, examine: Callable[[Page, str], None]
) -> None:
    hurry(page)
    page.add_init_script("""
        window.shifts = 0;
        window.seen = [];
        new PerformanceObserver((list) => {
            for (const { hadRecentInput, sources, value } of list.getEntries()) {
                const isFooter = sources.every(({ node }) => node?.className === "colophon");
                if (!hadRecentInput && !isFooter) window.shifts += value;
            }
        }).observe({ type: "layout-shift", buffered: true });
        setInterval(() => {
            const bar = document.querySelector("#sending-bar");
            if (bar && !bar.closest("[inert]") && bar.value !== window.seen.at(-1)) window.seen.push(bar.value);
        }, 10);
    """)
    slow_down(page, 300_000)
    send(page, jpeg)
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.wait_for_function("() => window.seen.filter((value) => 0 < value && value < 1).length >= 3")
    examine(page, "photo-sending")
    slow_down(page, -1)
    job = job_of(page)

    expect(page.get_by_role("heading", name="Your portrait is on its way")).to_be_focused()
    expect(page.locator("#work-title")).not_to_have_text("Getting ready")
    assert page.evaluate("window.shifts") < 0.01, "nothing jumped; the footer keeps below what there is"
    expect_result(page)
    examine(page, "photo-result")
    moved = page.evaluate("window.seen")
    assert moved == sorted(moved), "the bar only moved on"

    token = stored(page)[f"babypeek-session-{job}"]
    assert stored(page)["babypeek-current-job"] == job
    assert all(token not in request.url for request in traffic.requests)
    assert {call.headers["x-session-token"] for call in traffic.calls("/api/(status|process|results)")} == {token}
    assert len({call.headers["idempotency-key"] for call in traffic.calls("/api/(upload|process)", "POST")}) == 3

    page.reload()
    expect_result(page)
    assert traffic.answers("/api/process") == [202, 409], "starting a finished job again is refused, and fine"

    page.goto("/")
    page.get_by_role("link", name="See your last portrait").click()
    expect_result(page)
    page.get_by_role("button", name="Send another photo").click()
    expect(page.get_by_role("button", name="Send photo")).to_be_visible()


def test_the_full_size_once_released_and_the_end_of_it_all(
    page: Page, stack: LocalStack, http: httpx.Client, jpeg: Path, examine: Callable[[Page, str], None]
) -> None:
    hurry(page)
    send(page, jpeg)
    job = job_of(page)
    expect_result(page)
    full = page.get_by_role("button", name="Download full size")
    expect(full).to_be_hidden()
    stack.sandboxes.invoke("OperationsReleaseFunction", {"uploadId": job})
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as after paying somewhere else
    with page.expect_download() as download:
        full.click()
    assert re.fullmatch(r"portrait\.(jpg|png|webp)", download.value.suggested_filename)
    expect(page.locator("#job-lead")).to_contain_text("yours to download")
    in_thirty_days = datetime.now(UTC) + timedelta(days=30)
    expect(page.locator("#deletes-at")).to_contain_text(f"Deleted on {in_thirty_days:%-d %B}")
    examine(page, "photo-released")

    token = stored(page)[f"babypeek-session-{job}"]
    page.get_by_role("button", name="Delete this photo").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    examine(page, "photo-deleting")
    page.get_by_role("button", name="Keep it").click()
    assert http.get(f"/api/status/{job}", headers={"X-Session-Token": token}).status_code == 200
    delete_for_good(page)
    expect(page.locator("#welcome-back")).to_have_text("Your photo is deleted, with everything that was made from it.")
    assert stored(page) == {}
    assert http.get(f"/api/status/{job}", headers={"X-Session-Token": token}).status_code == 404
    page.go_back()
    page.goto(f"/processing/{job}")
    expect(page.locator("#welcome-back")).to_contain_text("another browser, or too long ago")


def test_a_photograph_is_deleted_while_it_is_worked_on(page: Page, http: httpx.Client, jpeg: Path) -> None:
    idle(page)
    send(page, jpeg)
    job = job_of(page)
    page.route("**/api/upload/*", lambda route: route.abort(), times=6)
    delete_for_good(page)
    expect(page.locator("#delete-error")).to_contain_text("There is no connection")
    expect(page.get_by_role("heading", name="Your portrait is on its way")).to_be_visible()
    page.unroute("**/api/upload/*")
    page.locator("#delete-error").get_by_role("button", name="Try again").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("#welcome-back")).to_contain_text("Your photo is deleted")
    assert stored(page) == {}
    assert http.get(f"/api/status/{job}", headers={"X-Session-Token": "any"}).status_code == 404


def test_a_button_pressed_while_the_page_still_loads_is_not_lost(page: Page, jpeg: Path) -> None:
    def late(route: Route) -> None:
        page.wait_for_timeout(1500)
        route.continue_()

    idle(page)
    page.route("**/app/photo-job.js", late)
    send(page, jpeg)
    delete_for_good(page)
    expect(page.locator("#welcome-back")).to_contain_text("Your photo is deleted")


def test_a_photograph_deleted_elsewhere_is_told_and_not_asked_for_again(
    page: Page, traffic: Traffic, http: httpx.Client, jpeg: Path
) -> None:
    hurry(page)
    idle(page)
    send(page, jpeg)
    job = job_of(page)
    expect(page.get_by_role("heading", name="Your portrait is on its way")).to_be_visible()
    token = stored(page)[f"babypeek-session-{job}"]
    assert http.delete(f"/api/upload/{job}", headers={"X-Session-Token": token}).status_code == 204
    expect(page.locator("#welcome-back")).to_contain_text("it was deleted")
    assert stored(page) == {}
    assert traffic.answers("/api/status/", "GET").count(404) == 1


def test_a_line_that_breaks_between_sending_and_watching_loses_nothing(page: Page, jpeg: Path) -> None:
    """What follows a job is loaded while its photograph is sent, and asked for again when that failed."""
    hurry(page)
    page.route("**/photo-job.js", lambda route: route.abort(), times=2)
    page.route("**/processing/*", lambda route: route.abort(), times=1)
    send(page, jpeg)
    page.locator("#trouble").get_by_role("button", name="Try again").click()
    expect_result(page)


def test_a_line_that_breaks_before_the_result_is_shown_fails_no_job(page: Page, traffic: Traffic, jpeg: Path) -> None:
    hurry(page)
    page.route("**/photo-result.js", lambda route: route.abort(), times=1)
    page.route("**/processing/*", lambda route: route.abort(), times=1)
    page.route("**/api/result/*", lambda route: route.abort(), times=6)  # longer than the client itself tries
    send(page, jpeg)
    expect_result(page)
    assert len(traffic.calls("/api/process$")) == 1


@pytest.mark.parametrize("gone", ["photo-job.js", "photo-result.js"])
def test_a_page_older_than_the_last_release_says_so_and_goes_on_when_reloaded(
    page: Page, jpeg: Path, gone: str
) -> None:
    hurry(page)
    page.route(f"**/{gone}", lambda route: route.fulfill(status=404))
    send(page, jpeg)
    expect(page.locator("#trouble")).to_contain_text("We have renewed this page")
    page.unroute(f"**/{gone}")
    page.locator("#trouble").get_by_role("button", name="Reload").click()
    expect_result(page)


def test_a_phone_s_photograph_without_a_type(page: Page, traffic: Traffic) -> None:
    hurry(page)
    heic = photograph(picture_format="HEIF")
    send(page, {"name": "IMG_0001.HEIC", "mimeType": "", "buffer": heic})
    expect_result(page)
    [reserved] = traffic.calls("/api/upload$")
    assert '"image/heic"' in (reserved.post_data or "")


def test_cancel_keeps_nothing(page: Page, traffic: Traffic, jpeg: Path) -> None:
    slow_down(page, 200_000)
    send(page, jpeg)
    page.wait_for_function("() => document.querySelector('#sending-bar').value > 0")
    page.get_by_role("button", name="Cancel").click()

    expect(page.get_by_role("button", name="Send photo")).to_be_focused()
    expect(page.locator("#live")).to_have_text("Cancelled. Nothing was kept.")
    page.wait_for_timeout(300)
    assert stored(page) == {}
    assert traffic.calls("/confirm") == []


def test_what_is_missing_or_wrong_is_said_where_it_is(
    page: Page, traffic: Traffic, jpeg: Path, examine: Callable[[Page, str], None]
) -> None:
    page.goto("/")
    page.get_by_role("button", name="Send photo").click()
    expect(page.locator("#file")).to_be_focused()
    expect(page.locator("#file-error")).to_have_text("Please choose a photo first.")
    page.set_input_files("#file", {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"x"})
    expect(page.locator("#file-error")).to_have_text("Please choose a JPEG, PNG, WebP or HEIC picture.")
    page.set_input_files("#file", jpeg)
    expect(page.locator("#file-error")).to_be_empty()
    page.get_by_label("Your e-mail").fill("ada@")
    page.get_by_label("Your e-mail").press("Enter")
    expect(page.get_by_label("Your e-mail")).to_be_focused()
    expect(page.get_by_label("Your e-mail")).to_have_attribute("aria-invalid", "true")
    examine(page, "photo-invalid")
    assert traffic.calls("/api/") == []


@pytest.mark.parametrize("address", ["ada@gmail", "ada", "ada@gmail."])
def test_an_e_mail_address_that_cannot_be_is_told_at_its_field(page: Page, jpeg: Path, address: str) -> None:
    page.goto("/")
    page.set_input_files("#file", jpeg)
    page.get_by_label("Your e-mail").fill(address)
    page.get_by_label("Your e-mail").blur()
    expect(page.locator("#email-error")).to_contain_text("Please check your e-mail address")
    page.get_by_role("button", name="Send photo").click()
    expect(page.get_by_label("Your e-mail")).to_be_focused()
    expect(page.get_by_label("Your e-mail")).to_have_attribute("aria-invalid", "true")


def test_an_e_mail_address_the_api_refuses_is_told_at_its_field(page: Page, jpeg: Path) -> None:
    send(page, jpeg, email="ada@example.invalid")
    expect(page.locator("#email-error")).to_contain_text("Please check your e-mail address")
    expect(page.get_by_label("Your e-mail")).to_be_focused()
    expect(page.locator("#send-error")).to_be_empty()


def test_a_photograph_can_be_dropped_anywhere(page: Page) -> None:
    page.goto("/")
    dropped = page.evaluate_handle("""() => {
        const transfer = new DataTransfer();
        transfer.items.add(new File(["x"], "dropped.png", { type: "image/png" }));
        return transfer;
    }""")
    page.locator("h1").first.dispatch_event("dragover", {"dataTransfer": dropped})
    expect(page.locator("#drop")).to_have_class("drop over")
    page.locator("h1").first.dispatch_event("drop", {"dataTransfer": dropped})
    expect(page.locator("#chosen-name")).to_have_text("dropped.png")
    expect(page.locator("#no-preview")).to_be_visible()


def test_a_reload_between_sending_and_confirming_loses_nothing(
    page: Page, traffic: Traffic, http: httpx.Client, jpeg: Path
) -> None:
    hurry(page)
    content = jpeg.read_bytes()
    reserved = http.post("/api/upload", json={"email": E_MAIL, "type": "image/jpeg", "size": len(content)}).json()
    httpx.put(reserved["uploadUrl"], content=content, headers=reserved["headers"]).raise_for_status()
    page.goto("/files")
    page.evaluate(
        """async ({ uploadId, sessionToken }) => {
            const { storeSession } = await import("/web/client/index.js");
            storeSession(uploadId, sessionToken);
        }""",
        reserved,
    )

    page.goto("/")  # whoever comes back is led to the job

    assert job_of(page) == reserved["uploadId"]
    expect_result(page)
    assert traffic.answers("/api/(process|upload)", "POST") == [409, 200, 202]


def test_a_refused_picture_says_why_and_is_not_tried_again(
    page: Page, traffic: Traffic, jpeg: Path, examine: Callable[[Page, str], None]
) -> None:
    hurry(page)
    broken = jpeg.read_bytes()[:200_000]
    send(page, {"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": broken})
    expect(page.get_by_role("heading", name="That didn't work")).to_be_focused()
    expect(page.locator("#failure-reason")).to_contain_text("photo")
    examine(page, "photo-failure")
    retry = page.get_by_role("button", name="Try again")
    with page.expect_response("**/api/process"):  # the button goes at once, the answer comes later
        retry.click()
    expect(retry).to_be_hidden()
    expect(page.locator("#failure-reason")).to_contain_text("photo")
    assert traffic.answers("/api/process") == [202, 409]

    page.get_by_role("button", name="Choose another photo").click()
    expect(page.get_by_role("button", name="Send photo")).to_be_visible()


def test_a_failed_job_is_tried_again_as_often_as_it_may(page: Page, jpeg: Path) -> None:
    started = []

    def process(route: Route) -> None:
        started.append(route)
        if len(started) > 2:
            error = {"code": "ALREADY_PROCESSING", "message": "Failed three times"}
            return route.fulfill(status=409, json={"success": False, "error": error, "status": "failed"})
        return route.fulfill(status=202, json={"success": True, "jobId": "x", "status": "processing"})

    failed = {"success": True, "status": "failed", "stage": "failed", "progress": 30, "resultId": None, "updatedAt": ""}
    said = failed | {"revision": 3, "errorMessage": "The model was busy."}
    page.route("**/api/process", process)
    page.route("**/api/status/*", lambda route: route.fulfill(json=said))
    send(page, jpeg)
    retry = page.get_by_role("button", name="Try again")
    for tries in (1, 2):
        expect(page.locator("#failure-reason")).to_have_text("The model was busy.")
        assert len(started) == tries
        retry.click()
    expect(page.locator("#failure-reason")).to_have_text("This photo could not be processed. Please send another one.")
    expect(retry).to_be_hidden()


@pytest.mark.parametrize("token", [None, "wrong"])
def test_without_the_right_token_the_way_leads_home(page: Page, http: httpx.Client, token: str | None) -> None:
    job = http.post("/api/upload", json={"email": E_MAIL, "type": "image/jpeg"}).json()["uploadId"]
    page.goto("/files")
    if token:
        page.evaluate("([job, token]) => localStorage.setItem(`babypeek-session-${job}`, token)", [job, token])
    page.goto(f"/processing/{job}")

    expect(page.locator("#welcome-back")).to_contain_text("another browser")
    assert page.evaluate("location.pathname") == "/"
    assert stored(page) == {}


def test_without_storage_the_flow_works_within_the_page(page: Page, jpeg: Path) -> None:
    hurry(page)
    page.add_init_script("""
        for (const name of ["localStorage", "sessionStorage"])
            Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });
    """)
    send(page, jpeg)
    expect_result(page)


def test_polling_slows_down_when_nobody_looks_and_while_the_network_fails(page: Page, jpeg: Path) -> None:
    asked = 0
    answer: dict[str, Any] | None = {"status": "processing", "stage": "generating", "progress": 30, "resultId": None}

    def status(route: Route) -> None:
        nonlocal asked
        asked += 1
        if answer is None:
            route.abort("internetdisconnected")
        else:
            body = answer | {"success": True, "revision": asked, "updatedAt": "2026-01-01T00:00:00Z"}
            route.fulfill(json=body, headers={"retry-after": "2"})

    under_way: set[Request] = set()
    page.on("request", lambda request: under_way.add(request))
    page.on("requestfinished", lambda request: under_way.discard(request))
    page.on("requestfailed", lambda request: under_way.discard(request))

    def polls_within(seconds: int) -> int:
        before = asked
        for _ in range(seconds * 2):  # in steps, so that each answer arrives before the next timer
            page.clock.run_for(500)
            page.wait_for_timeout(15)
            deadline = time.monotonic() + 20
            while under_way:
                assert time.monotonic() < deadline
                page.wait_for_timeout(15)
        return asked - before

    page.clock.install()
    without_pushes(page)
    page.route("**/api/status/*", status)
    send(page, jpeg)
    job_of(page)
    expect(page.locator("#work-title")).to_have_text("Painting the portrait")

    assert polls_within(10) == 4, "every 2.5 seconds"
    page.evaluate("""
        Object.defineProperty(document, "hidden", { get: () => window.away });
        window.away = true;
    """)
    assert polls_within(30) <= 3, "seldom while the tab is hidden"
    before = asked
    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(100)
    assert asked == before + 1, "at once when somebody looks again"

    answer = None
    assert 3 <= polls_within(60) <= 7, "ever less often while nothing answers"
    expect(page.locator("#trouble")).to_contain_text("We can't reach the server")
    answer = {"status": "processing", "stage": "watermarking", "progress": 90, "resultId": None}
    page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(page.locator("#work-title")).to_have_text("Preparing your preview")
    expect(page.locator("#trouble")).to_be_empty()


def test_who_waits_in_line_is_told(page: Page, jpeg: Path) -> None:
    """A stage that finds no concurrency left has not begun; its job stays where it was."""
    answer: dict[str, Any] = {"status": "processing", "stage": None, "progress": 0, "resultId": None}

    def status(route: Route) -> None:
        etag = f'"{answer["progress"]}"'
        if route.request.headers.get("if-none-match") == etag:
            return route.fulfill(status=304, headers={"etag": etag})
        body = answer | {"success": True, "revision": answer["progress"], "updatedAt": "2026-01-01T00:00:00Z"}
        return route.fulfill(json=body, headers={"etag": etag})

    def run_for(seconds: int) -> None:
        for _ in range(seconds * 2):  # in steps, so that each answer arrives before the next timer
            page.clock.run_for(500)
            page.wait_for_timeout(10)

    page.clock.install()
    without_pushes(page)
    page.route("**/api/status/*", status)
    send(page, jpeg)
    job_of(page)
    lead = page.locator("#job-lead")
    run_for(15)
    expect(lead).to_contain_text("about a minute")
    run_for(10)
    expect(lead).to_contain_text("waits in line")

    answer |= {"stage": "generating", "progress": 30}
    run_for(5)
    expect(lead).to_contain_text("about a minute")
    page.clock.fast_forward(150_000)
    expect(lead).to_contain_text("about a minute")
    page.clock.fast_forward(30_000)
    expect(lead).to_contain_text("waits in line")

    page.route("**/photo-result.js", lambda route: route.fulfill(status=404))
    answer |= {"status": "completed", "stage": "complete", "progress": 100, "resultId": "made"}
    run_for(5)
    expect(page.locator("#trouble")).to_contain_text("We have renewed this page")
    page.clock.fast_forward(200_000)
    expect(lead).to_contain_text("about a minute")


def test_the_keyboard_is_enough(page: Page, jpeg: Path) -> None:
    page.goto("/")
    focused = "document.activeElement.id || document.activeElement.textContent.trim()"
    order = []
    for _ in range(9):
        page.keyboard.press("Tab")
        order.append(page.evaluate(focused))
    assert order == ["Skip to content", "Inlet", "Photo", "Files", "Record", "Recordings", "file", "email", "send"]
    page.set_input_files("#file", jpeg)
    page.get_by_label("Your e-mail").fill(E_MAIL)
    page.keyboard.press("Enter")
    job_of(page)


def test_a_limit_is_told_with_its_end(
    new_page: Callable[..., Page], start_stack: Callable[..., LocalStack], jpeg: Path
) -> None:
    limited = start_stack(UPLOADS_PER_HOUR="1", RATE_LIMIT_BYPASS="false")
    page = new_page(base_url=limited.url)
    httpx.post(f"{limited.url}/api/upload", json={"email": E_MAIL, "type": "image/jpeg"}).raise_for_status()
    send(page, jpeg)
    expect(page.locator("#send-error")).to_have_text(
        re.compile(r"You have reached the limit for now\. You can go on .*\d\d:\d\d\.")
    )


def test_there_are_words_for_every_code_of_the_api(page: Page) -> None:
    page.goto("/files")
    known = page.evaluate("async () => Object.keys((await import('/web/client/index.js')).WORDS)")
    assert {code for _, code in answers.STATUS_AND_CODE.values()} | {answers.UNEXPECTED[1]} <= set(known)
