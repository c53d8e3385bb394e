"""What the line and the bucket throw at a page: lost answers, none at all, cuts, and a network that goes and comes."""

import itertools
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from local.stack import LocalStack
from local_aws.s3_server import S3Server
from tests.browser.conftest import Traffic
from tests.support.photographs import photograph
from tests.support.relay import Relay
from tests.support.upload_sessions import MB, pdf

E_MAIL = "ada@example.com"
SEND_RECORDING = """async (size) => {
    const { Api, uploadRecording } = await import("/web/client/index.js");
    const audio = new Blob([new Uint8Array(size)], { type: "audio/wav" });
    return uploadRecording(new Api(), audio, { duration: 3 }).then(({ id }) => id, (error) => error.code);
}"""


@pytest.fixture
def manual(tmp_path: Path) -> Path:
    """A PDF of 12 MB: three parts."""
    file = tmp_path / "manual.pdf"
    file.write_bytes(pdf(12 * MB).content)
    return file


def send_photo(page: Page, content: bytes | None = None) -> None:
    """Choose a photograph and send it."""
    page.goto("/")
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": content or photograph()})
    page.get_by_label("Your e-mail").fill(E_MAIL)
    page.get_by_role("button", name="Send photo").click()


def send_files(page: Page, *files: Path) -> None:
    """Choose files and send them."""
    page.goto("/files")
    page.set_input_files("#files", list(files))
    page.get_by_role("button", name=re.compile("^Send [0-9]+ file")).click()


def expect_arrived(page: Page) -> None:
    """All files are there."""
    expect(page.locator("#total-title")).to_have_text("All files have arrived", timeout=60_000)


def seconds_until_said(page: Page, button: str, words: str) -> float:
    """Press a button; return the page's own seconds until it shows `words`, whatever else the machine does."""
    script = """(button, words) => new Promise((resolve) => {
        const begun = performance.now();
        const look = () => document.body.innerText.includes(words)
            ? resolve((performance.now() - begun) / 1000)
            : requestAnimationFrame(look);
        button.click();
        look();
    })"""
    return float(page.get_by_role("button", name=button).evaluate(script, words))


def let_go(page: Page, held: list[Route]) -> None:
    """Let the request pass that is held back; it may come a little after the words."""
    deadline = time.monotonic() + 20
    while not held:
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)
    held.pop().continue_()


def said(code: str) -> str:
    """The bucket's XML."""
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>Some words</Message></Error>"


def answering_first(
    page: Page, address: str, method: str, answers: list[tuple[int, str]], *, arrives: bool
) -> list[int]:
    """Answer the first requests with these; `arrives`: the server gets them nevertheless. The others pass."""
    seen: list[int] = []

    def answer(route: Route) -> None:
        if route.request.method != method:
            return route.fallback()
        seen.append(len(seen))
        if len(seen) > len(answers):
            return route.continue_()
        status, body = answers[len(seen) - 1]
        if arrives:
            assert route.fetch().ok
        headers = {"Access-Control-Allow-Origin": "*", "Content-Type": "application/xml"}
        return route.fulfill(status=status, body=body, headers=headers)

    page.route(address, answer)
    return seen


PASSING = [(409, "ConditionalRequestConflict"), (400, "RequestTimeout"), (503, "SlowDown")]


@pytest.mark.parametrize(
    ("answers", "arrives"),
    [([(412, "PreconditionFailed")], True), (PASSING, False)],
    ids=["arrived", "passing"],
)
def test_a_photo_s_bucket_is_understood(
    page: Page, stack: LocalStack, answers: list[tuple[int, str]], arrives: bool
) -> None:
    bucket = f"{stack.environment['S3_ENDPOINT_URL']}/**"
    worded = [(status, said(code)) for status, code in answers]
    seen = answering_first(page, bucket, "PUT", worded, arrives=arrives)
    send_photo(page)
    page.wait_for_url("**/processing/*")
    assert len(seen) == (1 if arrives else 4)


@pytest.mark.parametrize(
    ("answers", "arrives"),
    [([(412, "PreconditionFailed")], True), ([(412, "PreconditionFailed")], False), (PASSING, False)],
    ids=["arrived", "said to have arrived", "passing"],
)
def test_a_part_s_bucket_is_understood(
    page: Page, stack: LocalStack, tmp_path: Path, answers: list[tuple[int, str]], arrives: bool
) -> None:
    bucket = f"{stack.environment['S3_ENDPOINT_URL']}/**"
    worded = [(status, said(code)) for status, code in answers]
    seen = answering_first(page, bucket, "PUT", worded, arrives=arrives)
    file = tmp_path / "small.pdf"
    file.write_bytes(pdf(3000).content)
    send_files(page, file)
    expect_arrived(page)
    assert len(seen) == (1 if arrives else len(answers) + 1)


def test_a_recording_s_bucket_is_understood(page: Page, stack: LocalStack) -> None:
    bucket = f"{stack.environment['S3_ENDPOINT_URL']}/**"
    page.goto("/recorder")
    answering_first(page, bucket, "PUT", [(status, said(code)) for status, code in PASSING], arrives=False)
    # What is sent is no audio: that the API says so proves that the bucket has it.
    assert page.evaluate(SEND_RECORDING, 5_000_000) == "INVALID_FILE"


def test_a_dead_connection_is_asked_again(page: Page, traffic: Traffic) -> None:
    """Confirm, process and status: the first answer of each never comes."""
    silent: Counter[str] = Counter()

    def say_nothing_first(route: Route) -> None:
        name = urlsplit(route.request.url).path.split("/")[2 if "confirm" not in route.request.url else -1]
        silent[name] += 1
        if silent[name] > 1:
            route.continue_()

    page.clock.install()
    page.route(re.compile("/api/(upload/.*/confirm|process|status/.*)$"), say_nothing_first)
    send_photo(page)
    for name in ("confirm", "process", "status"):
        for _ in range(200):
            if silent[name]:
                break
            page.clock.run_for(100)
            page.wait_for_timeout(20)
        page.wait_for_timeout(50)
        assert silent[name] == 1
        for _ in range(45):
            page.clock.run_for(1000)
            page.wait_for_timeout(10)
        assert silent[name] > 1, f"{name} is asked again within 45 seconds"
    keys = [call.headers["idempotency-key"] for call in traffic.calls("/confirm$")]
    assert len(set(keys)) == 1


def test_an_upload_that_stands_still_is_sent_again(page: Page, stack: LocalStack, tmp_path: Path) -> None:
    held: list[Route] = []

    def hold_first(route: Route) -> None:
        held.append(route)
        if len(held) > 1:
            route.continue_()

    file = tmp_path / "small.pdf"
    file.write_bytes(pdf(3000).content)
    page.clock.install()
    page.route(f"{stack.environment['S3_ENDPOINT_URL']}/**", hold_first)
    send_files(page, file)
    for _ in range(100):
        page.clock.run_for(500)
        page.wait_for_timeout(20)
        if len(held) > 1:
            break
    expect(page.locator("#line-note")).to_be_empty()
    expect_arrived(page)


@pytest.mark.parametrize("retry_after", [None, "1"])
def test_too_many_requests_only_take_longer(page: Page, retry_after: str | None) -> None:
    refused: list[Route] = []

    def refuse_twice(route: Route) -> None:
        refused.append(route)
        if len(refused) > 2:
            return route.continue_()
        headers = {"Retry-After": retry_after} if retry_after else {}
        return route.fulfill(status=429, json={"message": "Too Many Requests"}, headers=headers)

    page.route("**/api/upload", refuse_twice)
    send_photo(page)
    expect(page.locator("#line-note")).to_contain_text("We go on in a moment")
    page.wait_for_url("**/processing/*")
    assert len({route.request.headers["idempotency-key"] for route in refused}) == 1


def test_a_long_wait_is_told(page: Page) -> None:
    answer = {"success": False, "error": {"code": "TOO_MANY_REQUESTS", "message": "x"}}
    page.route("**/api/upload", lambda route: route.fulfill(status=429, json=answer, headers={"Retry-After": "90"}))
    send_photo(page)
    expect(page.locator("#send-error")).to_contain_text("Please try again in 90 seconds.")


def test_a_database_that_fails_over_only_takes_longer(page: Page) -> None:
    unavailable = {"success": False, "error": {"code": "UNAVAILABLE", "message": "x"}}
    tries: list[Route] = []

    def fail_over(route: Route) -> None:
        tries.append(route)
        if len(tries) > 4:
            return route.continue_()
        return route.fulfill(status=503, json=unavailable, headers={"Retry-After": "0"})

    page.route("**/api/upload", fail_over)
    send_photo(page)
    page.wait_for_url("**/processing/*")


def test_offline_the_page_says_that_it_waits(page: Page, manual: Path, examine: Callable[[Page, str], None]) -> None:
    page.goto("/files")
    page.set_input_files("#files", manual)
    page.context.set_offline(True)
    expect(page.locator("#line-note")).to_contain_text("You are offline")
    page.get_by_role("button", name="Send 1 file").click()
    page.wait_for_timeout(500)
    examine(page, "files-offline")
    expect(page.locator("#error")).to_be_empty()

    page.context.set_offline(False)
    expect_arrived(page)
    expect(page.locator("#line-note")).to_be_empty()


@pytest.mark.parametrize("path", ["/recordings", "/recordings/00000000-0000-4000-8000-000000000000"])
def test_what_cannot_be_loaded_can_be_tried_again(page: Page, path: str) -> None:
    page.route("**/api/sessions**", lambda route: route.abort("connectionreset"))
    page.goto(path)
    retry = page.get_by_role("button", name="Try again")
    expect(retry).to_be_visible()
    page.unroute_all(behavior="ignoreErrors")
    retry.click()
    expect(retry).to_be_hidden()


def test_something_is_said_within_a_second(page: Page, stack: LocalStack, manual: Path) -> None:
    """Sending, and going on after a reload, while the API takes its time."""
    held: list[Route] = []
    page.route("**/api/mocs/uploads/sessions", lambda route: held.append(route))
    page.goto("/files")
    page.set_input_files("#files", manual)
    assert seconds_until_said(page, "Send 1 file", "Getting ready") < 1
    expect(page.locator("#total-title")).to_have_text("Getting ready")
    page.route(f"{stack.environment['S3_ENDPOINT_URL']}/**", lambda _: None)
    let_go(page, held)
    page.wait_for_function("() => document.querySelector('.file').dataset.state === 'sending'")

    page.reload()
    expect(page.get_by_role("button", name="Continue")).to_be_visible()
    page.route("**/api/mocs/uploads/sessions/*", lambda route: held.append(route))
    assert seconds_until_said(page, "Continue", "Looking …") < 1
    expect(page.get_by_role("button", name="Looking …")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Looking …")
    let_go(page, held)
    expect(page.locator("#drop-words")).to_have_text("Choose the file again")


def test_a_slow_line_that_is_cut_again_and_again_loses_little(
    new_page: Callable[..., Page], start_stack: Callable[..., LocalStack], s3: S3Server, manual: Path
) -> None:
    """Half as long as 600 KB/s cut every 11 seconds, in the same proportions."""
    with Relay(s3.endpoint_url, bytes_per_second=1_200_000, cut_after=5.5) as relay:
        slow = start_stack(S3_ENDPOINT_URL=relay.url, RATE_LIMIT_BYPASS="true")
        page = new_page(base_url=slow.url, third_parties=[urlsplit(relay.url).netloc])
        seen: list[float] = []
        page.expose_function("tell", lambda value: seen.append(value))
        page.add_init_script("setInterval(() => tell(document.querySelector('#total-bar')?.value ?? 0), 100)")
        send_files(page, manual)
        expect_arrived(page)
    assert relay.sent < 1.7 * manual.stat().st_size
    fallen = max(before - after for before, after in itertools.pairwise(seen))
    assert fallen < 0.05, "progress does not go back"


def test_what_a_line_never_carries_is_left_to_the_person(
    new_page: Callable[..., Page], start_stack: Callable[..., LocalStack], s3: S3Server
) -> None:
    """A photograph that takes five seconds, on a line that holds for little more than one."""
    with Relay(s3.endpoint_url, bytes_per_second=400_000, cut_after=1.2) as relay:
        slow = start_stack(S3_ENDPOINT_URL=relay.url)
        page = new_page(base_url=slow.url, third_parties=[urlsplit(relay.url).netloc])
        send_photo(page, photograph() + bytes(2_000_000))
        expect(page.locator("#line-note")).to_contain_text("The connection broke")
        expect(page.locator("#send-error")).to_contain_text("The connection breaks again and again", timeout=60_000)
        expect(page.locator("#line-note")).to_be_empty()
        assert relay.sent < 9 * 1.2 * 400_000, "four tries, and the browser itself makes two of each"
        relay.mend()
        page.get_by_role("button", name="Send photo").click()
        page.wait_for_url("**/processing/*")


CUT_AGAIN_AND_AGAIN = """async (size) => {
    const { Api, uploadRecording, wordsFor } = await import("/web/client/index.js");
    const { send } = XMLHttpRequest.prototype;
    let [now, tries] = [0, 0];
    performance.now = () => now;
    XMLHttpRequest.prototype.send = function () {
        if (++tries > 4) return send.apply(this, arguments);
        this.upload.onprogress({ loaded: 100_000 });
        now += 5000;
        setTimeout(() => this.onloadend());
    };
    const audio = new Blob([new Uint8Array(size)], { type: "audio/wav" });
    const upload = () => uploadRecording(new Api(), audio, { duration: 3 }).then(({ id }) => id, (error) => error);
    const first = await upload();
    return [tries, first.code, wordsFor(first), (await upload()).code];
}"""


@pytest.mark.parametrize("size", [1_000_000, 5_000_000], ids=["form", "straight to the bucket"])
def test_a_recording_that_never_gets_through_may_be_sent_again(page: Page, size: int) -> None:
    page.goto("/recorder")
    tries, code, words, again = page.evaluate(CUT_AGAIN_AND_AGAIN, size)
    assert (tries, code) == (4, "LINE_BREAKS")
    assert "What you have here is kept: please try again" in words
    # What is sent is no audio: that the API says so proves that it has it.
    assert again == "INVALID_FILE"


PARTS_UNDER_WAY = """async (count) => {
    const { UploadSession } = await import("/web/client/index.js");
    const part = { url: "/nowhere", size: 5_000_000 };
    const parts = Array.from({ length: count }, (_, index) => ({ partNumber: index + 1, ...part }));
    const api = {
        createSession: async () => ({ sessionId: "s", duplicates: [] }),
        registerFiles: async () => ({ results: [{ index: 0, status: 201, file: { fileId: "f", parts } }] }),
        finalizeSession: async () => ({}),
    };
    const seen = [];
    let underWay = 0;
    XMLHttpRequest.prototype.getAllResponseHeaders = () => "etag: e";
    XMLHttpRequest.prototype.send = function () {
        seen.push(++underWay);
        setTimeout(() => {
            underWay--;
            Object.defineProperty(this, "status", { value: 200 });
            this.onloadend();
        }, 20);
    };
    const file = new File([new Uint8Array(count)], "a.pdf");
    await new UploadSession(api, [{ file, category: "instruction" }]).run();
    return seen;
}"""


def test_a_session_sends_one_part_at_first_and_four_at_most(page: Page) -> None:
    """As few as the line needs: what shares it is lost together when it is cut."""
    page.goto("/files")
    under_way: list[int] = page.evaluate(PARTS_UNDER_WAY, 40)
    assert len(under_way) == 40
    assert under_way[:2] == [1, 1]
    assert max(under_way) == 4


def test_a_pause_finishes_what_is_nearly_sent(
    new_page: Callable[..., Page],
    start_stack: Callable[..., LocalStack],
    s3: S3Server,
    manual: Path,
    traffic: Traffic,
) -> None:
    with Relay(s3.endpoint_url, bytes_per_second=2_500_000) as relay:
        slow = start_stack(S3_ENDPOINT_URL=relay.url, RATE_LIMIT_BYPASS="true")
        page = new_page(base_url=slow.url, third_parties=[urlsplit(relay.url).netloc])
        send_files(page, manual)
        page.wait_for_function("() => document.querySelector('#total-bar').value > 0.33")
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("button", name="Continue")).to_be_visible()
        kept = page.evaluate("document.querySelector('#total-bar').value")
        assert kept > 0.4
        page.get_by_role("button", name="Continue").click()
        expect_arrived(page)
    assert relay.sent < 1.1 * manual.stat().st_size


def test_a_preview_that_does_not_load_is_loaded_again(page: Page, stack: LocalStack) -> None:
    failed: list[Route] = []

    def fail_first(route: Route) -> None:
        failed.append(route)
        if len(failed) == 1:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(f"{stack.environment['S3_ENDPOINT_URL']}/**/preview.webp**", fail_first)
    send_photo(page)
    expect(page.get_by_role("heading", name="Your portrait is ready")).to_be_visible(timeout=30_000)
    page.wait_for_function("() => document.querySelector('#preview').naturalWidth > 0")
    expect(page.locator("#result-error")).to_be_empty()


def test_a_slow_upload_keeps_its_session_alive(page: Page) -> None:
    """Four minutes of moving bytes without a call, told by a client on its own."""
    page.goto("/files")
    asked: list[Any] = page.evaluate(
        """async () => {
            const { UploadSession } = await import("/web/client/index.js");
            const asked = [];
            let now = Date.now();
            Date.now = () => now;
            const part = { partNumber: 1, url: "/nowhere", size: 9 };
            const file = { fileId: "f", parts: [part] };
            const api = {
                createSession: async () => ({ sessionId: "s", duplicates: [] }),
                registerFiles: async () => ({ results: [{ index: 0, status: 201, file }] }),
                listParts: async (session, file, { limit }) => {
                    asked.push([session, file, limit]);
                    return { parts: [{ ...part, uploaded: true, etag: "e" }] };
                },
                        finalizeSession: async () => ({}),
            };
            const real = XMLHttpRequest.prototype.send;
            XMLHttpRequest.prototype.send = function () {
                for (let minute = 1; minute <= 10; minute++) {
                    now += 60_000;
                    this.upload.onprogress({ loaded: minute });
                }
                Object.defineProperty(this, "status", { value: 200 });
                this.onloadend();
            };
            const chosen = new File(["123456789"], "a.pdf");
            await new UploadSession(api, [{ file: chosen, category: "instruction" }]).run();
            XMLHttpRequest.prototype.send = real;
            return asked;
        }"""
    )
    assert [call for call in asked if call[2] == 1] == [["s", "f", 1]] * 2
