"""The pages as they are deployed: bundled, and served by the built site function on Lambda's emulator."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Request, Response, expect

from local.stack import LocalStack
from local_aws.gateway import Api, Gateway
from local_aws.sandboxes import Outcome
from tests.browser.conftest import Traffic
from tests.bundle.conftest import packaged as packaged
from tests.endpoints.test_site import PAGES
from tests.support.packaged_functions import PackagedFunctions


def is_left_behind(request: Request) -> bool:
    """Whether this is a page's icon, still on its way when the next page was opened: no page waits for its own."""
    return "/web/assets/icon-" in request.url and request.failure == "net::ERR_ABORTED"


@pytest.fixture
def built_site(packaged: Path, stack: LocalStack) -> Iterator[str]:
    """The worker's stack with its pages from the build."""
    with PackagedFunctions(packaged, stack) as functions:

        def invoke(name: str, event: Any) -> Outcome:
            return functions.invoke(name, event) if name == "SiteFunction" else stack.sandboxes.invoke(name, event)

        gateway = Gateway(0)
        gateway.start(Api(stack.template, invoke, port=gateway.port, auth_bypass=True))
        yield gateway.url
        gateway.stop()


def is_of_the_site(response: Response) -> bool:
    return "/api/" not in response.url


def test_every_page_works_as_it_is_built(new_page: Callable[..., Page], built_site: str, traffic: Traffic) -> None:
    failed: list[str] = []
    page = new_page(base_url=built_site)
    page.on("requestfailed", lambda request: None if is_left_behind(request) else failed.append(request.url))
    for path in PAGES:
        page.goto(path, wait_until="networkidle")
        expect(page.locator("main")).not_to_have_attribute("aria-busy", "true")
    page.goto("/docs")
    expect(page.locator(".opblock").first).to_be_visible()
    assert failed == []
    answers = [response for response in traffic.responses if is_of_the_site(response)]
    assert [response.url for response in answers if response.status >= 400] == []
    scripts = [response for response in answers if "/web/assets/" in response.url]
    assert scripts
    assert {response.headers["cache-control"] for response in scripts} == {"public, max-age=31536000, immutable"}
    assert not traffic.calls("/web/v"), "a page names a file that is not built"
