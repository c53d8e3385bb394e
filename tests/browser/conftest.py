"""Real Chromium on the real local stack. What every page must keep to is checked after every test, whatever it tested.

`page`      a phone's page in a profile of its own; `new_page(…)` opens others
`traffic`   what the test's pages sent and were told
`examine`   look at a state of a page: axe, no sideways scrolling, and a screenshot to look at
"""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    Request,
    Response,
    expect,
    sync_playwright,
)

from local.stack import PROJECT, LocalStack

CHROMIUM = shutil.which("chromium")
AXE = PROJECT / "node_modules" / "axe-core" / "axe.min.js"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Every new window loads two pages for its address bar's suggestions, which cost more than ours.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,HttpsUpgrades,MediaRouter,OptimizationHints,Translate",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
PHONE = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 800}


class Traffic:
    """What the pages of one test sent, what they were told, and what their consoles said."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.responses: list[Response] = []
        self.complaints: list[str] = []

    def watch(self, context: BrowserContext) -> None:
        """Listen to all pages of a profile."""
        context.on("request", lambda request: self.requests.append(request))
        context.on("response", lambda response: self.responses.append(response))
        context.on("console", lambda message: self._note(message.type, message.text))
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _note(self, kind: str, text: str) -> None:
        # Chromium reports every refused or interrupted request; the tests look at those themselves.
        if kind == "error" and not text.startswith(("Failed to load resource", "WebSocket connection to")):
            self.complaints.append(text)

    def calls(self, pattern: str, method: str | None = None) -> list[Request]:
        """Requests whose address, without the query, matches."""
        return [
            request
            for request in self.requests
            if re.search(pattern, request.url.partition("?")[0]) and method in (None, request.method)
        ]

    def answers(self, pattern: str, method: str | None = None) -> list[int]:
        """The statuses those requests got."""
        return [
            response.status
            for response in self.responses
            if re.search(pattern, response.url.partition("?")[0]) and method in (None, response.request.method)
        ]


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """A module's own: Playwright occupies the thread's event loop for as long as it runs."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    expect.set_options(timeout=20_000)  # a busy machine takes its time
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One Chromium a module."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture
def traffic() -> Traffic:
    """What the test's pages sent and were told."""
    return Traffic()


@pytest.fixture
def new_page(browser: Browser, stack: LocalStack, traffic: Traffic) -> Iterator[Callable[..., Page]]:
    """`new_page(**options of the context)`: a page in a fresh profile, on the worker's stack or another `base_url`."""
    contexts = []
    bucket = urlsplit(stack.environment["S3_ENDPOINT_URL"]).netloc  # one server for all stacks of a worker
    allowed = {bucket}

    def open_page(third_parties: Sequence[str] = (), **options: Any) -> Page:
        defaults = {"base_url": stack.url, "viewport": PHONE, "locale": "en-GB"}
        context = browser.new_context(**(defaults | options))
        context.set_default_timeout(20_000)
        traffic.watch(context)
        contexts.append(context)
        allowed.update(third_parties, [urlsplit(options.get("base_url", stack.url)).netloc])
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()
    assert traffic.complaints == []
    for request in traffic.requests:
        address = urlsplit(request.url)
        assert address.scheme in ("blob", "data") or address.netloc in allowed, f"third party: {request.url}"


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A phone."""
    return new_page()


@pytest.fixture
def examine(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Page, str], None]:
    """Look at a page as it stands. Screenshots of a run lie together in one folder."""
    folder = tmp_path_factory.getbasetemp() / "screenshots"
    folder.mkdir(exist_ok=True)

    def look(page: Page, name: str) -> None:
        page.screenshot(path=folder / f"{name}.png", full_page=True)
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{name} scrolls sideways by {too_wide} px"
        if AXE.exists():
            assert violations(page, AXE) == []

    return look


def hurry(page: Page) -> None:
    """Have the page ask for the job's status at once, again and again, as if the network came back each time."""
    page.add_init_script("setInterval(() => dispatchEvent(new Event('online')), 250)")


def without_pushes(page: Page) -> None:
    """Have every ticket refused, as where progress is not pushed: the page polls."""
    said = {"success": False, "error": {"code": "LIVE_UPDATES_OFF", "message": "Off"}}
    page.route("**/live", lambda route: route.fulfill(status=404, json=said))


def violations(page: Page, axe: Path) -> list[str]:
    """What axe finds that is serious or worse, and where."""
    page.evaluate(axe.read_text())  # through the debugger: the page's own policy would not let it in
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{violation['id']}: {violation['help']} at {node['target']}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
