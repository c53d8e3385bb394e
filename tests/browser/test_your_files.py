"""Your files in a real browser: what was sent is found, downloaded, gone on with and deleted; and all of one's data."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Page, Route, expect

from local.stack import LocalStack
from tests.browser.conftest import WIDE, Traffic
from tests.support.invocations import DEV_USER
from tests.support.speaking_sessions import recorded
from tests.support.upload_sessions import Session, create, expire, parts_list, pdf


@pytest.fixture(autouse=True)
def rows(stack: LocalStack) -> Iterator[psycopg.Connection[Any]]:
    """The stack's database, where its user has nothing yet."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("UPDATE upload_sessions SET user_id = 'before' WHERE user_id = %s", (DEV_USER,))
        connection.execute("TRUNCATE speaking_sessions CASCADE")
        yield connection


def completed(http: httpx.Client, filename: str = "castle.pdf") -> Session:
    file = pdf(2500, filename=filename)
    session = create(http, file)
    session.send(file)
    session.finalize().raise_for_status()
    return session


def test_sets_are_found_downloaded_and_deleted(
    page: Page, http: httpx.Client, rows: psycopg.Connection[Any], examine: Callable[[Page, str], None]
) -> None:
    page.goto("/your-files")
    expect(page.get_by_role("heading", name="Nothing sent yet")).to_be_visible()
    examine(page, "your-files-empty")
    sets = [completed(http, f"castle {number}.pdf") for number in range(12)]
    sets[10].http.delete(sets[10].path, params={"completed": "true"}).raise_for_status()
    rows.execute("UPDATE upload_sessions SET delete_after = now() + interval '9 days' WHERE id = %s", (sets[11].id,))

    page.goto("/files")
    page.get_by_role("link", name="Your files").click()
    expect(page.locator("#list li")).to_have_count(10)
    expect(page.locator(".entry-note").first).to_contain_text("1 file · 3 KB · kept until")
    examine(page, "your-files")
    page.get_by_role("link", name="Older").click()
    expect(page.locator("#where")).to_have_text("Page 2 of 2")
    expect(page.locator("#list li")).to_have_count(1)
    page.get_by_role("link", name="Newer").click()
    page.locator(".entry").first.click()

    expect(page.locator("#status")).to_have_text("Complete")
    expect(page.locator(".file-name")).to_have_text("castle 11.pdf")
    examine(page, "file-set")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download castle 11.pdf").click()
    assert downloading.value.suggested_filename == "castle 11.pdf"
    assert Path(downloading.value.path()).stat().st_size == 2500

    page.get_by_role("button", name="Delete these files").click()
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    examine(page, "file-set-question")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Delete these files").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("#list li")).to_have_count(10)
    assert sets[11].read().status_code == 404
    page.goto(f"/your-files/{sets[11].id}")
    expect(page.get_by_role("alert")).to_have_text("We can't find this any more.")
    examine(page, "file-set-gone")


def test_links_of_a_page_left_open_are_renewed(page: Page, http: httpx.Client) -> None:
    session = completed(http)
    page.clock.install()
    page.goto(f"/your-files/{session.id}")
    link = page.get_by_role("link", name="Download castle.pdf")
    first = link.get_attribute("href")
    page.clock.fast_forward("20:00")
    time.sleep(1.1)  # the bucket's clock was not put forward, and one second signs alike
    with page.expect_download() as downloading:
        link.click()
    assert downloading.value.url != first


def test_an_unfinished_one_is_gone_on_with_where_nothing_is_remembered(
    page: Page, http: httpx.Client, tmp_path: Path, traffic: Traffic, examine: Callable[[Page, str], None]
) -> None:
    """Begun elsewhere, with one of its two files sent: only the other is chosen here, and sent."""
    sent, missing = pdf(2500, filename="castle.pdf"), parts_list()
    session = create(http, sent, missing)
    session.send(sent)
    page.goto("/your-files")
    page.get_by_role("link", name="Unfinished").click()
    expect(page.locator(".file-note")).to_have_text(["3 KB", "1 KB · 0 % arrived"])
    examine(page, "file-set-unfinished")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#drop-words")).to_have_text("Choose the file again")
    (tmp_path / missing.filename).write_bytes(missing.content)
    page.set_input_files("#files", [tmp_path / missing.filename])
    expect(page.locator("#total-title")).to_have_text("All files have arrived")
    assert session.read().json()["status"] == "completed"
    assert len(traffic.calls(r"/files/[^/]+/[^/]+$", "PUT")) == 1, "what was sent is not sent again"


def test_an_unfinished_one_is_discarded_and_what_ended_says_so(
    new_page: Callable[..., Page], http: httpx.Client, rows: Any, examine: Callable[[Page, str], None]
) -> None:
    page = new_page(viewport=WIDE, color_scheme="dark")
    unwanted, left = create(http, pdf()), create(http, pdf())
    expire(rows, left)
    page.goto(f"/your-files/{left.id}")
    expect(page.locator("#words")).to_contain_text("This was left for too long.")
    examine(page, "file-set-expired")
    page.goto(f"/your-files/{unwanted.id}")
    page.get_by_role("button", name="Discard it").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page).to_have_url(re.compile("/your-files$"))
    assert unwanted.read().status_code == 404


def test_everything_is_downloaded_and_deleted(
    page: Page, http: httpx.Client, examine: Callable[[Page, str], None]
) -> None:
    completed(http)
    create(http, pdf())
    recorded(http)
    page.goto("/")
    page.get_by_role("link", name="Your data").click()
    expect(page.locator("#words")).to_have_text("There are 2 sets of files and one recording of yours here.")
    examine(page, "account")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download").click()
    told = json.loads(Path(downloading.value.path()).read_text())
    assert [len(told[name]) for name in ("uploadSessions", "recordings")] == [2, 1]

    page.get_by_role("button", name="Delete everything").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete everything").click()
    expect(page.locator("#words")).to_contain_text("Everything of yours is deleted.")
    examine(page, "account-deleted")
    assert http.get("/api/mocs/uploads/sessions").json()["total"] == http.get("/api/sessions").json()["total"] == 0


@pytest.mark.parametrize("path", ["/your-files", "/your-files/00000000-0000-4000-8000-000000000000", "/account"])
def test_what_fails_is_said_and_tried_again(page: Page, path: str, examine: Callable[[Page, str], None]) -> None:
    failing = True

    def answer(route: Route) -> None:
        if failing:
            body = json.dumps({"error": "Down.", "code": "UNAVAILABLE"})
            route.fulfill(status=503, headers={"retry-after": "60"}, content_type="application/json", body=body)
        else:
            route.continue_()

    page.route("**/api/**", answer)
    page.goto(path)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Nothing is lost. Please try again shortly.")
    examine(page, f"{path.split('/')[1]}-{len(path)}-failed")
    failing = False
    alert.get_by_role("button", name="Try again").click()
    expect(alert.get_by_text("Nothing is lost")).to_have_count(0)
