"""What holds for every page: accessible, within a phone's width, in its policy; and analytics only where configured."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from local.stack import LocalStack
from tests.browser.conftest import AXE, PHONE, WIDE, Traffic, hurry, violations
from tests.support.photographs import photograph
from tests.support.upload_sessions import pdf

PAGES = {
    "start": "/",
    "files": "/files",
    "recorder": "/recorder",
    "recordings": "/recordings",
    "missing": "/missing",
}


def test_axe_is_here(page: Page) -> None:
    """The examined pages of all browser tests are held to axe only where it is installed."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed (npm ci)")
    page.goto("/missing")
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert [violation.partition(":")[0] for violation in violations(page, AXE)] == ["button-name"]


@pytest.mark.parametrize(
    "options", [{"viewport": PHONE, "color_scheme": "dark"}, {"viewport": WIDE}], ids=["phone", "wide"]
)
def test_pages_are_accessible_and_fit(
    new_page: Callable[..., Page], options: dict[str, Any], examine: Callable[[Page, str], None]
) -> None:
    page = new_page(**options)
    width = options["viewport"]["width"]
    for name, path in PAGES.items():
        page.goto(path)
        expect(page.locator("main")).not_to_have_attribute("aria-busy", "true")
        examine(page, f"{name}-{width}")


def test_what_is_pressed_before_the_script_has_come_is_not_lost(new_page: Callable[..., Page]) -> None:
    page = new_page(permissions=["microphone"])

    def late(route: Route) -> None:
        page.wait_for_timeout(1500)
        route.continue_()

    page.route(re.compile("/app/(files|recorder).js$"), late)
    page.goto("/files", wait_until="commit")
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Choose files").click()
    chooser.value.set_files({"name": "castle.pdf", "mimeType": "application/pdf", "buffer": pdf(3000).content})
    expect(page.get_by_role("button", name="Send 1 file")).to_be_visible()

    page.goto("/recorder", wait_until="commit")
    page.locator("#record").click()
    expect(page.locator("#state")).to_have_text("Recording")


def test_the_api_page_is_drawn_within_the_policy(page: Page, traffic: Traffic) -> None:
    page.goto("/docs")
    expect(page.locator(".opblock").first).to_be_visible()
    page.locator(".opblock-summary").first.click()
    expect(page.get_by_role("button", name="Execute")).to_be_visible()
    assert traffic.answers("/openapi.json$") == [200]


def test_analytics_tell_what_was_uploaded_and_nothing_else(
    new_page: Callable[..., Page], traffic: Traffic, start_stack: Callable[..., LocalStack]
) -> None:
    events: list[Any] = []

    def take(route: Route) -> None:
        events.append(route.request.post_data_json)
        route.fulfill(status=200, json={"status": 1})

    with_analytics = start_stack(POSTHOG_API_KEY="phc_public", POSTHOG_HOST="https://posthog.example")
    page = new_page(base_url=with_analytics.url, third_parties=["posthog.example"])
    page.route("https://posthog.example/**", take)
    hurry(page)
    content = photograph()
    page.goto("/")
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": content})
    page.get_by_label("Your e-mail").fill("ada@example.com")
    page.get_by_role("button", name="Send photo").click()
    page.wait_for_url("**/processing/*")
    page.wait_for_timeout(200)

    [event] = events
    job = page.url.rpartition("/")[2]
    duration = event["properties"].pop("duration_ms")
    assert isinstance(duration, int)
    assert 0 < duration < 60_000
    assert (event["api_key"], event["event"], event["distinct_id"]) == ("phc_public", "upload_completed", job)
    assert event["properties"] == {
        "upload_id": job,
        "file_size": len(content),
        "file_type": "image/jpeg",
        "$process_person_profile": False,
        "$geoip_disable": True,
    }
