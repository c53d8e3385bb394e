"""Many files in a real browser: sent in parts, paused, continued after a reload, and whatever goes wrong on the way."""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from playwright.sync_api import Page, Route, expect

from local.stack import LocalStack
from tests.browser.conftest import Traffic
from tests.support.upload_sessions import MB, pdf, png

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PARTS = r"/files/[^/]+/[^/]+$"


def written(folder: Path, name: str, content: bytes) -> Path:
    """A file to choose."""
    file = folder / name
    file.write_bytes(content)
    return file


@pytest.fixture
def manual(tmp_path: Path) -> Path:
    """A PDF of 22 MB: five parts."""
    return written(tmp_path, "manual.pdf", pdf(22 * MB).content)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A PDF of 50 MB, the largest there may be: ten parts."""
    return written(tmp_path, "plan.pdf", pdf(50 * MB).content)


@pytest.fixture
def small(tmp_path: Path) -> list[Path]:
    """One small file of each category."""
    return [
        written(tmp_path, "notes.pdf", pdf(2000).content),
        written(tmp_path, "cover.png", png().content),
        written(tmp_path, "parts.csv", b"part,count\n3001,4\n" + os.urandom(4).hex().encode()),
    ]


def choose(page: Page, *files: Path) -> None:
    """Open the page and choose the files."""
    page.goto("/files")
    page.set_input_files("#files", list(files))


def expect_arrived(page: Page) -> None:
    """All of it is there."""
    expect(page.locator("#total-title")).to_have_text("All files have arrived", timeout=30_000)


def part_number(url: str) -> int:
    """Which part a presigned URL is for."""
    found = re.search(r"partNumber=(\d+)", url)
    assert found
    return int(found[1])


def put_parts(traffic: Traffic) -> Counter[tuple[str, int]]:
    """How often the bucket took each part."""
    return Counter(
        (response.url.partition("?")[0], part_number(response.url))
        for response in traffic.responses
        if response.request.method == "PUT" and response.status == 200
    )


def test_paused_reloaded_and_continued_no_part_is_sent_twice(
    page: Page,
    traffic: Traffic,
    stack: LocalStack,
    storage: "S3Client",
    manual: Path,
    plan: Path,
    small: list[Path],
    examine: Callable[[Page, str], None],
) -> None:
    files = [plan, manual, *small[1:]]

    def let_some_pass(route: Route) -> None:
        # The first six parts pass, the others hang: the page is left in the middle, wherever the machine's speed is.
        if len(passing) < 6:
            passing.append(route)
            route.continue_()

    passing: list[Route] = []
    page.route(f"{stack.environment['S3_ENDPOINT_URL']}/**", let_some_pass)
    choose(page, *files)
    examine(page, "files-chosen")
    page.get_by_role("button", name="Send 4 files").click()
    page.wait_for_function("() => document.querySelector('#total-bar').value > 0.3")
    examine(page, "files-sending")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Continue")).to_be_visible()
    sent = put_parts(traffic)
    assert len(sent) >= 4
    page.reload()

    expect(page.get_by_text("An upload is waiting for you")).to_be_visible()
    examine(page, "files-waiting")
    page.unroute_all(behavior="ignoreErrors")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("Choose the 4 files again")).to_be_visible()
    page.set_input_files("#files", [manual])
    page.set_input_files("#files", [plan, *small])

    expect(page.locator("#files-error")).to_have_text("Not part of this upload: notes.pdf.")
    expect_arrived(page)
    examine(page, "files-arrived")
    assert set(put_parts(traffic).values()) == {1}
    assert len(put_parts(traffic)) == 10 + 5 + 1 + 1
    assert contents(stack, storage, traffic) == Counter(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    page.reload()
    expect(page.get_by_text("An upload is waiting for you")).to_be_hidden()


def contents(stack: LocalStack, storage: "S3Client", traffic: Traffic) -> Counter[str]:
    """Digests of what the bucket has now of what the page sent."""
    keys = {response.url.partition("?")[0].partition(f"/{stack.bucket}/")[2] for response in traffic.responses} - {""}
    bodies = (storage.get_object(Bucket=stack.bucket, Key=key)["Body"].read() for key in keys)
    return Counter(hashlib.sha256(body).hexdigest() for body in bodies)


def test_failing_parts_and_lapsed_addresses_are_overcome(
    page: Page, traffic: Traffic, stack: LocalStack, manual: Path
) -> None:
    tries: Counter[int] = Counter()

    def stumble(route: Route) -> None:
        number = part_number(route.request.url)
        tries[number] += 1
        if number == 2 and tries[number] == 1:
            route.abort("connectionreset")
        elif number == 3 and tries[number] == 1:
            route.continue_(url=route.request.url.replace("X-Amz-Expires=", "X-Amz-Expires=1"))  # the bucket refuses
        else:
            route.continue_()

    page.route(f"{stack.environment['S3_ENDPOINT_URL']}/**", stumble)
    choose(page, manual)
    page.get_by_role("button", name="Send 1 file").click()

    expect_arrived(page)
    assert tries == {1: 1, 2: 2, 3: 2, 4: 1, 5: 1}
    assert traffic.answers(PARTS, "PUT").count(403) == 1
    assert len(traffic.calls("/parts$", "GET")) == 1, "only the refused address was asked for again"


def test_being_offline_only_takes_longer(page: Page, traffic: Traffic, stack: LocalStack, manual: Path) -> None:
    def go_offline_at_the_third(route: Route) -> None:
        if part_number(route.request.url) == 3 and not lost:
            lost.append(True)
            page.context.set_offline(True)
        route.continue_()

    lost: list[bool] = []
    page.route(f"{stack.environment['S3_ENDPOINT_URL']}/**", go_offline_at_the_third)
    choose(page, manual)
    page.get_by_role("button", name="Send 1 file").click()
    page.wait_for_function("() => !navigator.onLine")
    page.wait_for_timeout(1000)
    expect(page.locator("#total-title")).to_have_text("Sending")

    page.context.set_offline(False)
    expect_arrived(page)
    assert set(put_parts(traffic).values()) == {1}


MANY = """async (count) => {
    const { Api, UploadSession } = await import("/web/client/index.js");
    const real = globalThis.setTimeout;
    globalThis.setTimeout = (work, ms) => (ms > 500 && ms < 1000 ? 0 : real(work, ms)); // no moment ever ends
    const files = Array.from({ length: count }, (_, number) => {
        return { file: new File(["%PDF-1.7 ", String(number)], `${number}.pdf`), category: "instruction" };
    });
    const chosen = files.map((one) => ({ ...one, mimeType: "application/pdf" }));
    const upload = new UploadSession(new Api(), chosen);
    await upload.run();
    globalThis.setTimeout = real;
    return upload.items.every(({ state }) => state === "done");
}"""


def test_many_small_files_take_few_calls(page: Page, traffic: Traffic) -> None:
    """What is sent within a moment is completed together, the last by the call that finalizes: here, nearly all."""
    page.goto("/files")
    assert page.evaluate(MANY, 40)
    calls = [request.url.rpartition("/")[2] for request in traffic.calls("/api/mocs/", "POST")]
    assert [call for call in calls if call != "complete"] == ["sessions", "batch", "finalize"]
    assert calls.count("complete") <= 5, "none a file"
    assert len(put_parts(traffic)) == 40
    assert traffic.calls("/api/mocs/", "GET") == []


def test_a_last_file_that_is_refused_is_not_lost(page: Page, traffic: Traffic, small: list[Path]) -> None:
    """The call that finalizes names an ETag that is not the bucket's: pressing again sends no byte anew."""
    garbled: list[str] = []

    def garble_once(route: Route) -> None:
        body: Any = route.request.post_data_json
        if not garbled:
            part = body["files"][0]["parts"][0]
            garbled.append(part["etag"])
            part["etag"] = "0123456789abcdef0123456789abcdef"
        route.continue_(post_data=json.dumps(body))

    page.route("**/finalize", garble_once)
    choose(page, *small)
    page.get_by_role("button", name="Send 3 files").click()
    page.get_by_role("button", name="Try again").click()
    expect_arrived(page)
    assert garbled
    assert set(put_parts(traffic).values()) == {1}


def test_files_are_completed_while_another_is_sent(page: Page, stack: LocalStack, small: list[Path]) -> None:
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if route.request.method == "PUT" and not held:
            held.append(route)
        else:
            route.continue_()

    page.route(f"{stack.environment['S3_ENDPOINT_URL']}/**", hold_the_first)
    choose(page, *small)
    page.get_by_role("button", name="Send 3 files").click()
    expect(page.locator(".file[data-state=done]")).to_have_count(2)
    held[0].continue_()
    expect_arrived(page)


def test_what_was_sent_before_is_skipped(page: Page, traffic: Traffic, small: list[Path]) -> None:
    choose(page, *small)
    page.get_by_label("Compare contents first").check()
    page.get_by_role("button", name="Send 3 files").click()
    expect_arrived(page)
    assert len(put_parts(traffic)) == 3

    page.get_by_role("button", name="Send more files").click()
    page.set_input_files("#files", small)
    page.get_by_role("button", name="Send 3 files").click()
    expect_arrived(page)
    expect(page.get_by_text("Sent before, skipped")).to_have_count(3)
    page.wait_for_function("() => localStorage.length === 0")  # the page still says "arrived" of the first three
    assert len(put_parts(traffic)) == 3


def test_a_file_that_lies_is_named_and_the_others_can_go(page: Page, small: list[Path], tmp_path: Path) -> None:
    liar = written(tmp_path, "holiday.png", b"not a picture at all" * 20)
    choose(page, *small, liar)
    page.get_by_role("button", name="Send 4 files").click()

    row = page.get_by_role("listitem").filter(has_text="holiday.png")
    expect(row).to_contain_text("This file is not what its name says")
    page.get_by_role("button", name="Send the others").click()
    expect_arrived(page)
    expect(page.locator("#list .file")).to_have_count(3)


def test_a_session_that_ended_meanwhile_is_begun_anew(
    page: Page, stack: LocalStack, manual: Path, examine: Callable[[Page, str], None]
) -> None:
    page.route(f"{stack.environment['S3_ENDPOINT_URL']}/**", lambda _: None)
    choose(page, manual)
    page.get_by_role("button", name="Send 1 file").click()
    page.wait_for_function("() => document.querySelector('.file').dataset.state === 'sending'")
    page.get_by_role("button", name="Pause").click()
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("UPDATE upload_sessions SET expires_at = now() - interval '1 minute'")
    page.unroute_all(behavior="ignoreErrors")

    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert").filter(has_text="left for too long")).to_be_visible(timeout=30_000)
    examine(page, "files-ended")
    page.get_by_role("button", name="Start again").click()
    expect_arrived(page)


def test_an_upload_the_bucket_has_lost_is_begun_anew(
    page: Page, stack: LocalStack, storage: "S3Client", manual: Path
) -> None:
    page.route(f"{stack.environment['S3_ENDPOINT_URL']}/**", lambda _: None)
    choose(page, manual)
    page.get_by_role("button", name="Send 1 file").click()
    page.wait_for_function("() => document.querySelector('.file').dataset.state === 'sending'")
    page.get_by_role("button", name="Pause").click()
    for lost in storage.list_multipart_uploads(Bucket=stack.bucket)["Uploads"]:
        storage.abort_multipart_upload(Bucket=stack.bucket, Key=lost["Key"], UploadId=lost["UploadId"])
    page.unroute_all(behavior="ignoreErrors")

    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Try again").click(timeout=30_000)
    expect_arrived(page)


def test_what_cannot_be_sent_is_said_before(page: Page, traffic: Traffic, small: list[Path], tmp_path: Path) -> None:
    page.goto("/files")
    page.set_input_files(
        "#files",
        [
            written(tmp_path, "letter.docx", b"x"),
            written(tmp_path, "huge.csv", bytes(5 * MB + 1)),
            written(tmp_path, "empty.pdf", b""),
            small[1],
        ],
    )
    expect(page.locator("#files-error")).to_have_text(
        "letter.docx is not of a kind we take. huge.csv is too large: at most 5 MB fit. empty.pdf is empty."
        " Please add at least one PDF with instructions."
    )
    page.get_by_role("button", name="Send 1 file").click()
    expect(page.locator("#files-error")).to_have_text("Please add at least one PDF with instructions.")
    expect(page.locator("#files")).to_be_focused()
    page.get_by_role("button", name="Remove cover.png").click()
    expect(page.locator("#list .file")).to_have_count(0)
    assert traffic.calls("/api/") == []


def test_each_rule_is_told_once_while_choosing(page: Page, tmp_path: Path) -> None:
    page.goto("/files")
    pictures = [written(tmp_path, f"{number:02}.png", png().content) for number in range(60)]
    page.set_input_files("#files", pictures)
    error = page.locator("#files-error")
    expect(error).to_have_text(
        "50.png, 51.png and 8 more are too many: 50 files fit. Please add at least one PDF with instructions."
    )
    expect(page.locator("#files")).to_have_attribute("aria-invalid", "true")
    assert "files-error" in (page.locator("#files").get_attribute("aria-describedby") or "")
    tops = page.evaluate("['files-error', 'send'].map((id) => document.getElementById(id).getBoundingClientRect().top)")
    assert tops[1] - tops[0] < 300, "both are seen at once"
    page.get_by_role("button", name="Send 50 files").click()
    expect(page.locator("#files")).to_be_focused()
    page.get_by_role("button", name="Remove 00.png").click()
    page.set_input_files("#files", written(tmp_path, "manual.pdf", pdf(2000).content))
    expect(error).to_be_empty()
    expect(page.locator("#files")).not_to_have_attribute("aria-invalid", "true")


def test_a_file_that_is_something_else_is_told_what(page: Page, small: list[Path]) -> None:
    mismatch = {
        "code": "CONTENT_MISMATCH",
        "error": "x",
        "details": {"files": [{"index": 1, "reason": "type", "found": "text/html"}]},
    }
    page.route("**/finalize", lambda route: route.fulfill(status=422, json=mismatch))
    choose(page, *small)
    page.get_by_role("button", name="Send 3 files").click()
    row = page.get_by_role("listitem").filter(has_text="cover.png")
    expect(row).to_contain_text("This file is not what its name says: it is a web page.")


def test_the_daily_limit_is_told_with_its_end(
    new_page: Callable[..., Page], start_stack: Callable[..., LocalStack], small: list[Path]
) -> None:
    limited = start_stack(UPLOAD_SESSIONS_PER_DAY="1", RATE_LIMIT_BYPASS="false")
    page = new_page(base_url=limited.url, timezone_id="Europe/Berlin")
    choose(page, *small)
    page.get_by_role("button", name="Send 3 files").click()
    expect_arrived(page)
    page.get_by_role("button", name="Send more files").click()
    page.set_input_files("#files", small)
    page.get_by_role("button", name="Send 3 files").click()
    words = re.compile(r"You have reached the limit for now\. You can go on (on \w+ )?at 0[12]:00\.")  # UTC midnight
    expect(page.locator("#error")).to_have_text(words)
