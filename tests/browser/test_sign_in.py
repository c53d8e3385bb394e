"""Signing in, staying signed in and signing out, on a stack that asks for it, by an issuer that speaks the protocol."""

import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import FilePayload, Page, Route, expect

from local.stack import LocalStack
from local_aws import issuer_grants
from local_aws.issuer import Issuer
from tests.browser.conftest import Traffic

LIFE = 120  # seconds of an access token, unless a test says otherwise
STORED = "() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie])"
RENEW = """async () => {
    const { src } = document.querySelector('script[type="module"]');
    const { getAccessToken } = await import(new URL("sign-in-tokens.js", src).href);
    return getAccessToken();
}"""
JWT = re.compile(r"eyJ[\w-]+\.eyJ")


@pytest.fixture(scope="module")
def closed(
    open_stack: Callable[..., LocalStack],
) -> Iterator[LocalStack]:
    """A stack without the bypass, and so with an issuer."""
    with open_stack(AUTH_BYPASS="false") as running:
        yield running


@pytest.fixture
def issuer(closed: LocalStack) -> Iterator[Issuer]:
    assert closed.issuer is not None
    closed.issuer.access_seconds = LIFE
    yield closed.issuer
    closed.issuer.grants.revoke_all()


@pytest.fixture
def visitor(new_page: Callable[..., Page], closed: LocalStack, issuer: Issuer) -> Page:
    """Somebody who has not signed in yet."""
    return new_page([urlsplit(issuer.url).netloc], base_url=closed.url, permissions=["microphone"])


def name_oneself(page: Page, who: str = "ada") -> None:
    page.get_by_label("Your name").fill(who)
    page.keyboard.press("Enter")


def sign_in(page: Page, path: str = "/recordings") -> None:
    page.goto(path)
    page.get_by_role("button", name="Sign in").click()
    name_oneself(page)
    page.wait_for_url(f"**{path}")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def expect_listed(page: Page) -> None:
    expect(page.locator("#live")).to_have_text(re.compile(r"^(One recording|\d+ recordings)$"))


def record(page: Page) -> None:
    page.goto("/recorder")
    page.get_by_role("button", name="Start recording").click()
    expect(page.locator("#state")).to_have_text("Recording")
    page.wait_for_timeout(400)
    page.get_by_role("button", name="Stop recording").click()
    expect(page.get_by_role("button", name="Send recording")).to_be_focused()


def bearers(traffic: Traffic) -> list[str]:
    """The access tokens that the API was shown, in order, each once."""
    shown = [call.headers.get("authorization", "") for call in traffic.calls("/api/")]
    return list(dict.fromkeys(one for one in shown if one))


def test_signing_in_leads_back_and_leaves_no_token_behind(
    visitor: Page, traffic: Traffic, closed: LocalStack, examine: Callable[[Page, str], None]
) -> None:
    visitor.goto("/recordings?page=2")
    expect(visitor.get_by_role("heading", name="Please sign in")).to_be_visible()
    expect(visitor.get_by_role("button", name="Sign in")).to_be_focused()
    examine(visitor, "sign-in")
    visitor.get_by_role("button", name="Sign in").click()
    name_oneself(visitor)
    expect(visitor.get_by_text("Page 2 of 1")).to_be_visible()
    assert visitor.url == f"{closed.url}/recordings?page=2"
    examine(visitor, "signed-in")

    [asked] = [parse_qs(urlsplit(call.url).query) for call in traffic.calls("/authorize$", "GET")]
    assert asked["code_challenge_method"] == ["S256"]
    assert all(len(asked[name][0]) >= 43 for name in ("state", "nonce", "code_challenge"))
    [token] = bearers(traffic)
    stored = visitor.evaluate(STORED)
    assert token.removeprefix("Bearer ") not in stored
    assert not JWT.search(stored), "neither an access token nor an ID token"
    assert visitor.evaluate("localStorage.length") == 0
    assert not any(JWT.search(call.url) for call in traffic.requests)
    assert "code=" not in visitor.evaluate("location.href")
    visitor.go_back()
    expect(visitor.get_by_text("Page 2 of 1")).to_be_visible()  # the issuer and the way back are passed over


def test_a_token_that_ends_is_renewed_by_itself(visitor: Page, traffic: Traffic, issuer: Issuer) -> None:
    issuer.access_seconds = 2
    sign_in(visitor)
    expect_listed(visitor)
    visitor.wait_for_timeout(1600)
    record(visitor)
    visitor.get_by_role("button", name="Send recording").click()
    visitor.wait_for_url("**/recordings/*")
    expect(visitor.locator("#recording")).to_be_visible()
    assert 401 not in traffic.answers("/api/sessions")[1:], "only the very first request had no token"
    assert len(bearers(traffic)) >= 2
    renewals = [call for call in traffic.calls("/token$", "POST") if "refresh_token=" in (call.post_data or "")]
    used = [parse_qs(call.post_data or "")["refresh_token"][0] for call in renewals]
    assert len(used) == len(set(used)) >= 2, "each refresh token is used once"


def test_a_token_the_api_refuses_is_replaced_once(visitor: Page, traffic: Traffic) -> None:
    """A clock that is wrong, or keys that changed: the token looked good to us."""
    sign_in(visitor)
    refused: list[str] = []

    def refuse_first(route: Route) -> None:
        token = route.request.headers.get("authorization", "")
        if not refused:
            refused.append(token)
        if token in refused:
            route.fulfill(status=401, json={"message": "Unauthorized"})
        else:
            route.continue_()

    visitor.route("**/api/sessions*", refuse_first)
    visitor.reload()
    expect_listed(visitor)
    assert traffic.answers("/api/sessions")[-2:] == [401, 200]


def test_a_refused_renewal_asks_again_and_the_recording_goes_on(
    visitor: Page, issuer: Issuer, examine: Callable[[Page, str], None]
) -> None:
    issuer.access_seconds = 2
    sign_in(visitor)
    record(visitor)
    visitor.get_by_label("Topic").fill("Kept")
    issuer.grants.revoke_all()
    visitor.wait_for_timeout(1600)
    visitor.get_by_role("button", name="Send recording").click()
    expect(visitor.get_by_role("heading", name="Please sign in")).to_be_visible()
    examine(visitor, "sign-in-beside")
    with visitor.expect_popup() as opened:
        visitor.get_by_role("button", name="Sign in").click()
    # The issuer still knows the browser, so nobody is asked again.
    visitor.wait_for_url("**/recordings/*")
    expect(visitor.get_by_role("heading", name="Kept")).to_be_visible()
    assert opened.value.is_closed()


def test_an_upload_waits_for_the_sign_in_and_goes_on(visitor: Page, traffic: Traffic) -> None:
    visitor.goto("/files")
    pdf = FilePayload(name="a.pdf", mimeType="application/pdf", buffer=b"%PDF-1.4\n%%EOF")
    visitor.set_input_files("#files", pdf)
    visitor.get_by_role("button", name="Send 1 file").click()
    with visitor.expect_popup() as opened:
        visitor.get_by_role("button", name="Sign in").click()
    name_oneself(opened.value)
    expect(visitor.locator("#total-title")).to_have_text("All files have arrived")
    assert traffic.answers("/api/mocs/uploads/sessions$", "POST") == [401, 201]


def test_signing_out_ends_it_here_and_at_the_issuer(visitor: Page, issuer: Issuer, traffic: Traffic) -> None:
    sign_in(visitor)
    duplicate = visitor.evaluate("sessionStorage.getItem('inlet-refresh-token')")
    visitor.get_by_role("button", name="Sign out").click()
    visitor.wait_for_url("**/")
    assert "inlet-refresh-token" not in visitor.evaluate(STORED)
    assert traffic.answers("/revoke$", "POST") == [200]
    visitor.goto("/recordings")
    visitor.evaluate("token => sessionStorage.setItem('inlet-refresh-token', token)", duplicate)
    visitor.reload()
    expect(visitor.get_by_role("heading", name="Please sign in")).to_be_visible()
    visitor.get_by_role("button", name="Sign in").click()
    expect(visitor.get_by_label("Your name")).to_be_visible()  # the issuer has forgotten who it was


def test_who_signs_out_while_a_token_is_renewed_stays_signed_out(visitor: Page) -> None:
    sign_in(visitor)
    held: dict[str, Route] = {}
    visitor.route(
        re.compile("/(token|revoke)$"), lambda route: held.update({route.request.url.rpartition("/")[2]: route})
    )
    with visitor.expect_request(re.compile("/token$")):
        visitor.reload(wait_until="commit")  # the next page has no access token yet
    visitor.get_by_role("button", name="Sign out").click()
    with visitor.expect_response(re.compile("/token$")):
        held["token"].continue_()
    visitor.wait_for_timeout(300)
    assert "inlet-refresh-token" not in visitor.evaluate(STORED)
    held["revoke"].continue_()
    visitor.wait_for_url("**/")
    assert "inlet-refresh-token" not in visitor.evaluate(STORED)


def test_what_can_go_wrong_on_the_way_back_is_said(visitor: Page, issuer: Issuer, traffic: Traffic) -> None:
    visitor.goto("/recordings")
    visitor.get_by_role("button", name="Sign in").click()
    visitor.get_by_role("button", name="Cancel").click()
    expect(visitor.get_by_text("The sign-in was cancelled.")).to_be_visible()
    visitor.get_by_role("button", name="Sign in again").click()
    name_oneself(visitor)
    expect_listed(visitor)
    back = next(call.url for call in reversed(traffic.calls("/signed-in$")))
    visitor.goto(back)  # opened twice: the code has been used
    visitor.wait_for_url("**/recordings")
    expect_listed(visitor)
    visitor.goto("/signed-in?code=stolen&state=guessed")
    expect(visitor.get_by_role("heading", name="This sign-in is over")).to_be_visible()
    assert urlsplit(visitor.url).query == ""
    # Nothing that was remembered leads to another site.
    visitor.evaluate("sessionStorage.setItem('inlet-sign-in', JSON.stringify({ state: 's', back: '//evil.example/' }))")
    visitor.goto("/signed-in?code=x&state=s")
    visitor.wait_for_url("**/")
    assert "evil" not in visitor.url


def test_a_clock_that_is_wrong_by_hours_hinders_nobody(visitor: Page) -> None:
    visitor.clock.set_system_time(time.time() + 6 * 3600)
    sign_in(visitor)
    expect_listed(visitor)


def test_an_issuer_that_is_down_is_said_and_asked_again(visitor: Page, issuer: Issuer) -> None:
    visitor.route(f"{issuer.url}/**", lambda route: route.abort())
    visitor.goto("/recordings")
    visitor.get_by_role("button", name="Sign in").click()
    expect(visitor.get_by_text("The sign-in service does not answer.")).to_be_visible()
    visitor.unroute_all()
    visitor.get_by_role("button", name="Sign in").click()
    name_oneself(visitor)
    expect_listed(visitor)
    # Somebody who is signed in stays so.
    visitor.route(f"{issuer.url}/**", lambda route: route.abort())
    visitor.reload()
    expect(visitor.locator("#error")).to_contain_text("The sign-in service does not answer.")
    visitor.unroute_all()
    visitor.get_by_role("button", name="Try again").click()
    expect_listed(visitor)


def test_a_duplicated_tab_follows_the_other_s_renewals(
    visitor: Page, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where both renew at once, and a token that was used before ends all: nobody is asked again."""
    monkeypatch.setattr(issuer_grants, "GRACE_SECONDS", -1)
    issuer.access_seconds = 2
    sign_in(visitor)
    expect_listed(visitor)  # by then the token has been renewed
    token = visitor.evaluate("sessionStorage.getItem('inlet-refresh-token')")
    twin = visitor.context.new_page()
    twin.goto("/")
    twin.evaluate("token => sessionStorage.setItem('inlet-refresh-token', token)", token)
    twin.reload()
    twin.get_by_role("button", name="Sign out").wait_for()
    visitor.reload()
    expect_listed(visitor)
    read = "sessionStorage.getItem('inlet-refresh-token')"
    renewed = visitor.evaluate(read)
    assert renewed != token
    twin.wait_for_function(f"renewed => {read} === renewed", arg=renewed)
    visitor.wait_for_timeout(1600)
    for tab in (visitor, twin):
        tab.evaluate(f"() => {{ window.renewal = ({RENEW})(); }}")
    assert all(tab.evaluate("() => window.renewal") for tab in (visitor, twin))
    twin.wait_for_function(f"renewed => {read} === renewed", arg=visitor.evaluate(read))
    visitor.get_by_role("button", name="Sign out").click()
    visitor.wait_for_url("**/")
    twin.wait_for_function(f"() => {read} === null")
