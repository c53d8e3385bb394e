"""What a chosen file is: by its bytes, not its name; known when it is chosen again; and noticed when it has changed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, Route, expect

from local.stack import LocalStack
from tests.browser.conftest import Traffic
from tests.support.photographs import photograph
from tests.support.upload_sessions import MB, pdf, png

WEBP = photograph(picture_format="WEBP")
JPEG = photograph()
HEIC = photograph(picture_format="HEIF")


def written(file: Path, content: bytes) -> Path:
    """A file on disk."""
    file.write_bytes(content)
    return file


def fill_in(page: Page, file: Any) -> None:
    """Choose a photograph, and say whose it is."""
    page.goto("/")
    page.set_input_files("#file", file)
    page.get_by_label("Your e-mail").fill("ada@example.com")


def declared(traffic: Traffic, address: str) -> Any:
    """What the page said of the file, or files."""
    [call] = traffic.calls(address, "POST")
    return json.loads(call.post_data or "")


def expect_arrived(page: Page) -> None:
    """All files are there."""
    expect(page.locator("#total-title")).to_have_text("All files have arrived", timeout=30_000)


@pytest.mark.parametrize(
    ("name", "mime", "content", "truth"),
    [
        ("photo.jpg", "image/jpeg", WEBP, "image/webp"),
        ("photo.jfif", "", JPEG, "image/jpeg"),
        ("IMG_1.jpeg", "image/jpeg", HEIC, "image/heic"),
        ("photo", "application/octet-stream", JPEG, "image/jpeg"),
    ],
)
def test_a_photo_is_declared_by_its_bytes(
    page: Page, traffic: Traffic, name: str, mime: str, content: bytes, truth: str
) -> None:
    fill_in(page, {"name": name, "mimeType": mime, "buffer": content})
    page.get_by_role("button", name="Send photo").click()
    page.wait_for_url("**/processing/*")
    assert declared(traffic, "/api/upload$")["type"] == truth


def test_files_are_declared_by_their_bytes(page: Page, traffic: Traffic) -> None:
    page.goto("/files")
    chosen: list[FilePayload] = [
        {"name": "manual.bin", "mimeType": "", "buffer": pdf(3000).content},
        {"name": "cover.jpg", "mimeType": "image/jpeg", "buffer": WEBP},
        {"name": "back.jfif", "mimeType": "", "buffer": JPEG},
        {"name": "parts.csv", "mimeType": "application/vnd.ms-excel", "buffer": b"part,count\n1,2\n"},
    ]
    page.set_input_files("#files", chosen)
    page.get_by_role("button", name="Send 4 files").click()
    expect_arrived(page)
    files = declared(traffic, "/sessions$")["files"]
    assert [file["mimeType"] for file in files] == ["application/pdf", "image/webp", "image/jpeg", "text/csv"]
    assert [file["category"] for file in files] == ["instruction", "image", "image", "parts-list"]


def test_a_picture_of_another_kind_is_refused_at_once(page: Page) -> None:
    fill_in(page, {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": b"GIF89a" + bytes(100)})
    expect(page.locator("#file-error")).to_have_text("Please choose a JPEG, PNG, WebP or HEIC picture.")
    expect(page.locator("#file")).to_have_attribute("aria-invalid", "true")


def begun(page: Page, stack: LocalStack, *files: Path, parts: int) -> None:
    """Send some parts, then pause and leave."""
    passing: list[Route] = []

    def let_some_pass(route: Route) -> None:
        if len(passing) < parts:
            passing.append(route)
            route.continue_()

    page.route(f"{stack.environment['S3_ENDPOINT_URL']}/**", let_some_pass)
    page.goto("/files")
    page.set_input_files("#files", list(files))
    page.get_by_role("button", name=re.compile("^Send [0-9]+ file")).click()
    while len(passing) < parts:
        page.wait_for_timeout(50)
    for route in passing:  # one whose answer is still to come when it is paused may have arrived, or not
        assert route.request.response()
    page.wait_for_function("() => document.querySelector('#total-bar').value > 0.3")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Continue")).to_be_visible()
    page.unroute_all(behavior="ignoreErrors")


def come_back(page: Page, *files: Path) -> None:
    """Reload, and choose the files again."""
    page.reload()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#drop-words")).to_contain_text("again")
    page.set_input_files("#files", list(files))


def parts_sent(traffic: Traffic) -> int:
    """How many parts the bucket took."""
    return traffic.answers("/files/[^/]+/[^/]+$", "PUT").count(200)


def test_a_file_of_another_date_is_known_again(page: Page, traffic: Traffic, stack: LocalStack, tmp_path: Path) -> None:
    manual = written(tmp_path / "manual.pdf", pdf(12 * MB).content)
    begun(page, stack, manual, parts=2)
    manual.write_bytes(manual.read_bytes())
    come_back(page, manual)
    expect_arrived(page)
    assert parts_sent(traffic) == 3, "nothing that arrived is sent twice"


def test_other_contents_under_the_same_name_are_never_mixed(
    page: Page, traffic: Traffic, stack: LocalStack, tmp_path: Path, storage: Any
) -> None:
    manual = written(tmp_path / "manual.pdf", pdf(12 * MB).content)
    begun(page, stack, manual, parts=2)
    sent = parts_sent(traffic)
    manual.write_bytes(pdf(12 * MB).content)
    come_back(page, manual)
    expect_arrived(page)
    assert parts_sent(traffic) == sent + 3, "all of it is sent anew"
    key = traffic.calls("/files/[^/]+/[^/]+$", "PUT")[-1].url.partition("?")[0].partition(f"/{stack.bucket}/")[2]
    assert storage.get_object(Bucket=stack.bucket, Key=key)["Body"].read() == manual.read_bytes()


def test_a_file_that_grew_meanwhile_is_named(page: Page, stack: LocalStack, tmp_path: Path) -> None:
    manual = written(tmp_path / "manual.pdf", pdf(12 * MB).content)
    cover = written(tmp_path / "cover.png", png().content)
    begun(page, stack, cover, manual, parts=2)
    manual.write_bytes(pdf(11 * MB).content)
    come_back(page, manual)
    expect(page.locator("#files-error")).to_contain_text("manual.pdf has changed since this upload was begun")
    expect(page.get_by_role("button", name="Discard")).to_be_visible()


def test_a_photo_changed_on_disk_is_said_at_once_and_chosen_again(
    page: Page, tmp_path: Path, examine: Callable[[Page, str], None]
) -> None:
    photo = written(tmp_path / "photo.jpg", JPEG)
    fill_in(page, photo)
    expect(page.locator("#chosen-name")).to_have_text("photo.jpg")
    photo.write_bytes(JPEG + b"edited")
    page.get_by_role("button", name="Send photo").click()
    expect(page.locator("#file-error")).to_contain_text("This file has changed")
    expect(page.locator("#file")).to_be_focused()
    examine(page, "photo-changed")
    page.set_input_files("#file", photo)
    page.get_by_role("button", name="Send photo").click()
    page.wait_for_url("**/processing/*")


def test_a_photo_changed_while_it_is_sent_is_said(page: Page, stack: LocalStack, tmp_path: Path) -> None:
    photo = written(tmp_path / "photo.jpg", JPEG)

    def change(route: Route) -> None:
        photo.write_bytes(JPEG + b"edited")
        route.abort("failed")

    page.route(f"{stack.environment['S3_ENDPOINT_URL']}/**", change)
    fill_in(page, photo)
    page.get_by_role("button", name="Send photo").click()
    expect(page.locator("#file-error")).to_contain_text("This file has changed")


@pytest.mark.parametrize("grown", [True, False])
def test_a_file_changed_on_disk_is_said_at_once_and_sent_as_it_is_now(
    page: Page,
    traffic: Traffic,
    stack: LocalStack,
    tmp_path: Path,
    storage: Any,
    grown: bool,
    examine: Callable[[Page, str], None],
) -> None:
    manual = written(tmp_path / "manual.pdf", pdf(12 * MB).content)
    other = written(tmp_path / "notes.pdf", pdf(2000).content)

    def change_at_the_second(route: Route) -> None:
        if "partNumber=2" in route.request.url and len(traffic.calls("/files/", "PUT")) < 4:
            manual.write_bytes(pdf((13 if grown else 12) * MB).content)
            return route.abort("failed")
        return route.continue_()

    page.route(f"{stack.environment['S3_ENDPOINT_URL']}/**", change_at_the_second)
    page.goto("/files")
    page.set_input_files("#files", [manual, other])
    page.get_by_role("button", name="Send 2 files").click()
    row = page.get_by_role("listitem").filter(has_text="manual.pdf")
    expect(row).to_contain_text("This file has changed")
    expect(page.get_by_role("button", name="Choose it again")).to_be_visible()
    examine(page, f"files-changed-{grown}")
    page.unroute_all(behavior="ignoreErrors")
    page.set_input_files("#files", manual)
    expect_arrived(page)
    keys = {
        response.url.partition("?")[0].partition(f"/{stack.bucket}/")[2]
        for response in traffic.responses
        if response.request.method == "PUT" and response.status == 200 and "partNumber=2" in response.url
    }
    [key] = keys
    assert storage.get_object(Bucket=stack.bucket, Key=key)["Body"].read() == manual.read_bytes()
