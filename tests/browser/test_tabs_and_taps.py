"""Two tabs and double taps: one page sends an upload, the others watch; a tap counts once; what destroys asks."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from local.stack import LocalStack
from tests.browser.conftest import Traffic
from tests.support.photographs import photograph
from tests.support.upload_sessions import MB, pdf


@pytest.fixture
def manual(tmp_path: Path) -> Path:
    """A PDF of 12 MB: three parts."""
    file = tmp_path / "manual.pdf"
    file.write_bytes(pdf(12 * MB).content)
    return file


@pytest.fixture
def phone(new_page: Callable[..., Page]) -> Page:
    """A page that is touched."""
    return new_page(has_touch=True, is_mobile=True)


def hold_parts(page: Page, stack: LocalStack, *, after: int = 0) -> list[Route]:
    """Let some parts pass, and hold the others."""
    seen: list[Route] = []

    def hold(route: Route) -> None:
        seen.append(route)
        if len(seen) <= after:
            route.continue_()

    page.route(f"{stack.environment['S3_ENDPOINT_URL']}/**", hold)
    return seen


def send(page: Page, file: Path) -> None:
    """Send one file."""
    page.goto("/files")
    page.set_input_files("#files", file)
    page.get_by_role("button", name="Send 1 file").click()
    page.wait_for_function("() => document.querySelector('.file')?.dataset.state === 'sending'")


def test_a_second_tab_watches(
    page: Page, stack: LocalStack, manual: Path, examine: Callable[[Page, str], None]
) -> None:
    hold_parts(page, stack, after=1)
    send(page, manual)
    page.wait_for_function("() => document.querySelector('#total-bar').value > 0.3")
    second = page.context.new_page()
    second.goto("/files")
    expect(second.get_by_text("An upload is under way in another tab")).to_be_visible()
    expect(second.get_by_role("button", name="Continue")).to_be_hidden()
    expect(second.get_by_role("button", name="Discard it")).to_be_hidden()
    examine(second, "files-watching")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Continue")).to_be_visible()
    expect(second.locator("#unfinished-words")).to_contain_text("41 % sent")
    page.unroute_all(behavior="ignoreErrors")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#total-title")).to_have_text("All files have arrived")
    expect(second.get_by_text("An upload is under way in another tab")).to_be_hidden()


def test_a_closed_tab_leaves_its_upload_to_the_other(page: Page, stack: LocalStack, manual: Path) -> None:
    hold_parts(page, stack)
    send(page, manual)
    second = page.context.new_page()
    second.goto("/files")
    expect(second.get_by_text("An upload is under way in another tab")).to_be_visible()
    page.close()
    expect(second.get_by_text("An upload is waiting for you")).to_be_visible()
    second.get_by_role("button", name="Continue").click()
    second.set_input_files("#files", manual)
    expect(second.locator("#total-title")).to_have_text("All files have arrived")


def test_an_upload_opened_meanwhile_is_not_opened_twice(page: Page, stack: LocalStack, manual: Path) -> None:
    hold_parts(page, stack)
    send(page, manual)
    page.reload()
    second = page.context.new_page()
    second.goto("/files")
    expect(second.get_by_text("An upload is waiting for you")).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#drop-words")).to_contain_text("again")
    second.get_by_role("button", name="Continue").click()
    expect(second.locator("#error")).to_contain_text("This upload is open in another tab")


def test_a_double_tap_sends_once_and_destroys_nothing(
    phone: Page, stack: LocalStack, manual: Path, traffic: Traffic
) -> None:
    page = phone
    hold_parts(page, stack)
    page.goto("/files")
    page.set_input_files("#files", manual)
    box = page.get_by_role("button", name="Send 1 file").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.touchscreen.tap(x, y)
    page.touchscreen.tap(x, y)
    page.wait_for_timeout(700)
    page.touchscreen.tap(x, y)  # and whatever lies there now
    page.wait_for_timeout(300)
    expect(page.locator("#list .file")).to_have_count(1)
    assert len(traffic.calls("/uploads/sessions$", "POST")) == 1
    assert traffic.calls("/uploads/sessions", "DELETE") == []


def test_a_double_tap_on_a_photo_sends_once(phone: Page, traffic: Traffic) -> None:
    page = phone
    page.goto("/")
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photograph()})
    page.get_by_label("Your e-mail").fill("ada@example.com")
    box = page.get_by_role("button", name="Send photo").bounding_box()
    assert box
    for _ in range(2):
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url("**/processing/*")
    assert len(traffic.calls("/api/upload$", "POST")) == 1


def test_a_double_tap_does_not_record_for_an_instant(new_page: Callable[..., Page]) -> None:
    page = new_page(has_touch=True, is_mobile=True, permissions=["microphone"])
    page.goto("/recorder")
    box = page.get_by_role("button", name="Start recording").bounding_box()
    assert box
    for _ in range(2):
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_role("timer")).to_have_text("0:01")
    expect(page.get_by_role("button", name="Stop recording")).to_be_visible()


def test_discarding_while_sending_asks_and_works(
    page: Page, stack: LocalStack, manual: Path, traffic: Traffic, examine: Callable[[Page, str], None]
) -> None:
    hold_parts(page, stack, after=1)
    send(page, manual)
    page.get_by_role("button", name="Discard").click()
    examine(page, "files-discard")
    page.get_by_role("button", name="Keep it").click()
    expect(page.locator("#list .file")).to_have_count(1)
    assert traffic.calls("/uploads/sessions", "DELETE") == []

    page.get_by_role("button", name="Discard").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page.locator("#list .file")).to_have_count(0)
    expect(page.locator("#live")).to_have_text("Discarded")
    expect(page.locator("#error")).to_be_empty()
    assert traffic.answers("/uploads/sessions/[^/]+$", "DELETE") == [204]
    page.reload()
    page.wait_for_timeout(300)
    expect(page.locator("#unfinished")).to_be_hidden()


def test_an_unfinished_upload_is_discarded_only_when_meant(page: Page, stack: LocalStack, manual: Path) -> None:
    hold_parts(page, stack)
    send(page, manual)
    page.reload()
    page.get_by_role("button", name="Discard it").click()
    page.keyboard.press("Escape")
    expect(page.locator("#unfinished")).to_be_visible()
    page.get_by_role("button", name="Discard it").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page.locator("#unfinished")).to_be_hidden()
