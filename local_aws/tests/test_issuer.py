"""The local issuer: what a browser's client needs of one, and what it does not get by a trick."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest

from local_aws import issuer_grants
from local_aws.issuer import Issuer
from local_aws.ports import free_port
from local_aws.tests.echo_bundle import Echo

PAGE = "http://127.0.0.1:4000"
VERIFIER = "a-verifier-that-is-at-least-forty-three-characters-long"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
CALLBACK = f"{PAGE}/signed-in"
ASKED = {
    "response_type": "code",
    "client_id": "pages",
    "redirect_uri": CALLBACK,
    "scope": "openid echo/read",
    "state": "the state",
    "nonce": "the nonce",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    running = Issuer(free_port(), client_id="pages", scopes=["echo/read"])
    running.start([PAGE])
    yield running
    running.stop()


@pytest.fixture
def browser(issuer: Issuer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=issuer.url) as client:
        yield client


def answered(response: httpx.Response) -> dict[str, str]:
    """What a redirect to the page carries."""
    assert response.status_code == 303, response.text
    target = urlsplit(response.headers["location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == CALLBACK
    return {name: values[0] for name, values in parse_qs(target.query).items()}


def sign_in(browser: httpx.Client, who: str = "ada", **changes: str) -> dict[str, str]:
    form = {"who": who}
    headers = {"origin": str(browser.base_url)}
    return answered(browser.post("/authorize", params=ASKED | changes, data=form, headers=headers))


def redeem(browser: httpx.Client, issued: str, **changes: str) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "client_id": "pages",
        "code": issued,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    return browser.post("/token", data=form | changes)


def renew(browser: httpx.Client, refresh_token: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "client_id": "pages", "refresh_token": refresh_token}
    return browser.post("/token", data=form)


def tokens(browser: httpx.Client, **changes: str) -> dict[str, Any]:
    response = redeem(browser, sign_in(browser, **changes)["code"])
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def claims(browser: httpx.Client, token: str) -> dict[str, Any]:
    keys = jwt.PyJWKClient(browser.get("/.well-known/openid-configuration").json()["jwks_uri"])
    key = keys.get_signing_key_from_jwt(token)
    found: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], options={"verify_aud": False})
    return found


def test_it_asks_who_somebody_is_and_sends_them_back(issuer: Issuer, browser: httpx.Client) -> None:
    page = browser.get("/authorize", params=ASKED)
    assert page.status_code == 200
    assert "Who are you?" in page.text
    answer = sign_in(browser)
    assert (answer["state"], answer["iss"]) == ("the state", issuer.url)
    given = redeem(browser, answer["code"]).json()
    access, identity = claims(browser, given["access_token"]), claims(browser, given["id_token"])
    assert (access["sub"], access["client_id"], access["scope"]) == ("ada", "pages", "openid echo/read")
    assert "aud" not in access, "as Cognito's, unless a resource was asked for"
    assert (identity["sub"], identity["aud"], identity["nonce"]) == ("ada", "pages", "the nonce")
    assert "scope" not in identity
    assert access["exp"] - access["iat"] == given["expires_in"] == 900


def test_a_resource_becomes_the_audience_and_stays_it(browser: httpx.Client) -> None:
    given = tokens(browser, resource="https://echo.internal/api")
    renewed = renew(browser, given["refresh_token"]).json()
    for one in (given, renewed):
        assert claims(browser, one["access_token"])["aud"] == "https://echo.internal/api"


def test_the_authorizer_takes_its_access_tokens_and_no_id_token(
    serve_echo: Callable[..., Echo], issuer: Issuer, browser: httpx.Client
) -> None:
    given = tokens(browser)
    with serve_echo(JwtIssuer=issuer.url, JwtAudience="pages", JwtScopes="echo/read").client() as api:
        statuses = [
            api.get("/private", headers={"Authorization": f"Bearer {given[name]}"}).status_code
            for name in ("access_token", "id_token")
        ]
    assert statuses == [200, 403]


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example/signed-in"},
        {"redirect_uri": "http://127.0.0.1:4000.evil.example/"},
        {"redirect_uri": "http://127.0.0.1:4001/signed-in"},
        {"redirect_uri": ""},
        {"client_id": "another"},
    ],
)
def test_nobody_is_sent_to_a_page_that_is_not_the_stack_s(browser: httpx.Client, changes: dict[str, str]) -> None:
    for response in (
        browser.get("/authorize", params=ASKED | changes),
        browser.post(
            "/authorize", params=ASKED | changes, data={"who": "ada"}, headers={"origin": str(browser.base_url)}
        ),
    ):
        assert response.status_code == 400
        assert "location" not in response.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"scope": "openid admin"}, "invalid_scope"),
        ({"scope": "echo/read"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_a_mistaken_request_is_told_to_the_page(browser: httpx.Client, changes: dict[str, str], error: str) -> None:
    answer = answered(browser.get("/authorize", params=ASKED | changes))
    assert (answer["error"], answer["state"]) == (error, "the state")
    assert "code" not in answer


def test_who_cancels_goes_back_without_a_code(browser: httpx.Client) -> None:
    headers = {"origin": str(browser.base_url)}
    answer = answered(browser.post("/authorize", params=ASKED, data={"cancel": "yes"}, headers=headers))
    assert answer["error"] == "access_denied"


def test_another_site_s_form_signs_nobody_in(browser: httpx.Client) -> None:
    form = {"who": "eve"}
    refused = browser.post("/authorize", params=ASKED, data=form, headers={"origin": "https://evil.example"})
    assert (refused.status_code, len(refused.cookies)) == (400, 0)


@pytest.mark.parametrize(
    "changes",
    [{"code_verifier": "another"}, {"code_verifier": ""}, {"redirect_uri": f"{PAGE}/other"}, {"code": "guessed"}],
)
def test_a_code_is_for_who_asked_for_it(browser: httpx.Client, changes: dict[str, str]) -> None:
    response = redeem(browser, sign_in(browser)["code"], **changes)
    assert (response.status_code, response.json()) == (400, {"error": "invalid_grant"})


def test_a_code_works_once_and_twice_ends_what_came_of_it(browser: httpx.Client) -> None:
    code = sign_in(browser)["code"]
    given = redeem(browser, code).json()
    assert redeem(browser, code).json() == {"error": "invalid_grant"}
    assert renew(browser, given["refresh_token"]).json() == {"error": "invalid_grant"}


def test_a_code_ends_by_itself(browser: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    code = sign_in(browser)["code"]
    monkeypatch.setattr(issuer_grants, "CODE_SECONDS", -1)
    assert redeem(browser, code).status_code == 400


def test_a_refresh_token_is_replaced_at_each_use(browser: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tokens(browser)["refresh_token"]
    second = renew(browser, first).json()["refresh_token"]
    assert second != first
    assert renew(browser, first).status_code == 200, "the answer may have been lost"
    monkeypatch.setattr(issuer_grants, "GRACE_SECONDS", -1)
    assert renew(browser, first).status_code == 400, "long after"
    assert renew(browser, second).status_code == 400, "one of the two is a thief: all ends"


def test_a_revoked_refresh_token_is_void(browser: httpx.Client) -> None:
    given = tokens(browser)
    assert browser.post("/revoke", data={"token": given["refresh_token"], "client_id": "pages"}).status_code == 200
    assert renew(browser, given["refresh_token"]).status_code == 400


def test_it_knows_people_again_until_they_sign_out(browser: httpx.Client) -> None:
    sign_in(browser, "ada")
    assert "code" in answered(browser.get("/authorize", params=ASKED))
    assert browser.get("/authorize", params=ASKED | {"prompt": "login"}).status_code == 200
    out = browser.get("/logout", params={"client_id": "pages", "post_logout_redirect_uri": f"{PAGE}/"})
    assert (out.status_code, out.headers["location"]) == (303, f"{PAGE}/")
    assert browser.get("/authorize", params=ASKED).status_code == 200


def test_signing_out_leads_to_no_other_site(browser: httpx.Client) -> None:
    out = browser.get("/logout", params={"post_logout_redirect_uri": "https://evil.example/"})
    assert (out.status_code, "location" in out.headers) == (200, False)


def test_only_the_stack_s_pages_read_its_answers(browser: httpx.Client) -> None:
    for origin, allowed in {PAGE: PAGE, "https://evil.example": None}.items():
        answer = browser.get("/.well-known/openid-configuration", headers={"origin": origin})
        assert answer.headers.get("access-control-allow-origin") == allowed


def test_it_answers_to_names_of_this_machine_only(browser: httpx.Client) -> None:
    assert browser.get("/keys", headers={"host": "evil.example"}).status_code == 400
