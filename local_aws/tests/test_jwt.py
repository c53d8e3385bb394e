"""The local JWT authorizer: which tokens pass, which do not, and what the function is told."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from local_aws.tests.echo_bundle import Echo
from local_aws.tests.issuer import KEY, OTHER_KEY, Issuer, public_jwk

CURVE_KEY = ec.generate_private_key(ec.SECP256R1())


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    running = Issuer()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def guarded(serve_echo: Callable[..., Echo], issuer: Issuer) -> Iterator[httpx.Client]:
    with serve_echo(JwtIssuer=issuer.url).client() as client:
        yield client


def ask(client: httpx.Client, token: str | None) -> httpx.Response:
    return client.get("/private", headers={"Authorization": f"Bearer {token}"} if token is not None else {})


def assert_refused(response: httpx.Response) -> None:
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json() == {"message": "Unauthorized", "code": "UNAUTHORIZED"}


def test_a_good_token_passes_and_its_claims_are_strings(guarded: httpx.Client, issuer: Issuer) -> None:
    now = int(time.time())
    token = issuer.token(
        exp=now + 100, iat=now, email_verified=True, groups=["a", "b c"], name="Jo", amount=1.5, nested={"x": 1}
    )
    authorizer = ask(guarded, token).json()["event"]["requestContext"]["authorizer"]
    assert authorizer == {
        "jwt": {
            "claims": {
                "iss": issuer.url,
                "aud": "echo",
                "sub": "user-1",
                "iat": str(now),
                "exp": str(now + 100),
                "email_verified": "true",
                "groups": "[a b c]",
                "name": "Jo",
                "amount": "1.5",
                "nested": '{"x": 1}',
            },
            "scopes": None,
        }
    }


def test_the_word_bearer_is_optional_as_on_aws(guarded: httpx.Client, issuer: Issuer) -> None:
    assert guarded.get("/private", headers={"Authorization": issuer.token()}).status_code == 200
    assert guarded.get("/private", headers={"Authorization": f"bearer {issuer.token()}"}).status_code == 200


def test_any_of_the_audiences_will_do(guarded: httpx.Client, issuer: Issuer) -> None:
    assert ask(guarded, issuer.token(aud="other")).status_code == 200
    assert ask(guarded, issuer.token(aud=["somebody", "echo"])).status_code == 200


def test_client_id_stands_in_for_a_missing_audience(guarded: httpx.Client, issuer: Issuer) -> None:
    assert ask(guarded, issuer.token(aud=None, client_id="echo")).status_code == 200
    assert_refused(ask(guarded, issuer.token(aud=None, client_id="somebody")))
    assert_refused(ask(guarded, issuer.token(aud="somebody", client_id="echo")))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": int(time.time()) - 1},
        {"exp": None},
        {"nbf": int(time.time()) + 86_400},
        {"iat": int(time.time()) + 86_400},
        {"iss": "https://issuer.example.com"},
        {"iss": None},
        {"aud": "somebody"},
        {"aud": None},
        {"aud": []},
    ],
    ids=lambda claims: next(iter(claims)),  # not the values: workers must collect the same names
)
def test_a_claim_that_is_wrong_or_missing_is_refused(
    guarded: httpx.Client, issuer: Issuer, claims: dict[str, Any]
) -> None:
    assert_refused(ask(guarded, issuer.token(**claims)))


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic dTpw", "Bearer a.b.c", "Bearer .."])
def test_what_is_no_token_is_refused(guarded: httpx.Client, header: str) -> None:
    assert_refused(guarded.get("/private", headers={"Authorization": header}))


def test_no_token_is_refused(guarded: httpx.Client) -> None:
    assert_refused(ask(guarded, None))


def test_another_key_is_refused(guarded: httpx.Client, issuer: Issuer) -> None:
    assert_refused(ask(guarded, issuer.token(OTHER_KEY)))


@pytest.mark.parametrize("kid", [None, "unknown"])
def test_a_missing_or_unknown_key_id_is_refused(guarded: httpx.Client, issuer: Issuer, kid: str | None) -> None:
    assert_refused(ask(guarded, issuer.token(kid=kid)))


def test_the_algorithm_none_is_refused(guarded: httpx.Client, issuer: Issuer) -> None:
    _, payload, _ = issuer.token().split(".")
    for name in ("none", "None", "NONE"):
        assert_refused(ask(guarded, f"{encoded({'alg': name, 'kid': 'first'})}.{payload}."))


def test_the_public_key_is_no_shared_secret(guarded: httpx.Client, issuer: Issuer) -> None:
    """The old trick: sign with HS256, the issuer's public key as the secret."""
    public = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signed = f"{encoded({'alg': 'HS256', 'kid': 'first'})}.{issuer.token().split('.')[1]}"
    signature = base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), hashlib.sha256)).rstrip(b"=").decode()
    assert_refused(ask(guarded, f"{signed}.{signature}"))


def test_algorithms_aws_does_not_know_are_refused(guarded: httpx.Client, issuer: Issuer) -> None:
    assert_refused(ask(guarded, issuer.token(CURVE_KEY, algorithm="ES256")))


def test_keys_a_token_brings_along_are_ignored(guarded: httpx.Client, issuer: Issuer) -> None:
    now = int(time.time())
    payload = {"iss": issuer.url, "aud": "echo", "sub": "user-1", "exp": now + 600}
    for header in (
        {"jku": f"{issuer.url}/evil", "kid": "evil"},
        {"jwk": public_jwk(OTHER_KEY, "first"), "kid": "first"},
        {"x5u": f"{issuer.url}/evil", "kid": "first"},
    ):
        assert_refused(ask(guarded, jwt.encode(payload, OTHER_KEY, "RS256", headers=header)))
    assert "/evil" not in issuer.fetched


def test_a_changed_payload_is_refused(guarded: httpx.Client, issuer: Issuer) -> None:
    header, _, signature = issuer.token().split(".")
    _, payload, _ = issuer.token(sub="user-2").split(".")
    assert_refused(ask(guarded, f"{header}.{payload}.{signature}"))


def test_a_key_the_issuer_adds_is_found(serve_echo: Callable[..., Echo]) -> None:
    issuer = Issuer()
    try:
        with serve_echo(JwtIssuer=issuer.url).client() as client:
            assert ask(client, issuer.token()).status_code == 200
            issuer.keys.append(public_jwk(OTHER_KEY, "second"))
            assert ask(client, issuer.token(OTHER_KEY, kid="second")).status_code == 200
    finally:
        issuer.stop()


def test_keys_are_not_fetched_for_every_request(serve_echo: Callable[..., Echo]) -> None:
    issuer = Issuer()
    try:
        with serve_echo(JwtIssuer=issuer.url).client() as client:
            for _ in range(3):
                assert ask(client, issuer.token()).status_code == 200
        assert issuer.fetched == ["/.well-known/openid-configuration", "/keys"]
    finally:
        issuer.stop()


def test_an_issuer_that_does_not_answer_lets_nobody_in(serve_echo: Callable[..., Echo], issuer: Issuer) -> None:
    with serve_echo(JwtIssuer="http://127.0.0.1:9").client() as client:
        assert_refused(ask(client, issuer.token(iss="http://127.0.0.1:9")))


# The bypass


def test_without_the_bypass_and_without_an_issuer_nobody_passes(http_echo: httpx.Client, issuer: Issuer) -> None:
    assert_refused(ask(http_echo, None))
    assert_refused(ask(http_echo, issuer.token()))


def test_the_bypass_forgives_a_missing_token(serve_echo: Callable[..., Echo], issuer: Issuer) -> None:
    with serve_echo(auth_bypass=True, JwtIssuer=issuer.url).client() as client:
        assert "authorizer" not in ask(client, None).json()["event"]["requestContext"]


def test_the_bypass_does_not_forgive_a_bad_token(serve_echo: Callable[..., Echo], issuer: Issuer) -> None:
    with serve_echo(auth_bypass=True, JwtIssuer=issuer.url).client() as client:
        assert_refused(ask(client, issuer.token(OTHER_KEY)))
        claims = ask(client, issuer.token()).json()["event"]["requestContext"]["authorizer"]["jwt"]["claims"]
    assert claims["sub"] == "user-1"


# Scopes


@pytest.mark.parametrize("claims", [{}, {"scope": ""}, {"scope": "openid echo/readonly"}, {"scp": ["openid"]}])
def test_a_good_token_without_a_required_scope_is_forbidden(
    serve_echo: Callable[..., Echo], issuer: Issuer, claims: dict[str, Any]
) -> None:
    """As an ID token is: its audience is the client, and it carries no scope."""
    with serve_echo(JwtIssuer=issuer.url, JwtScopes="echo/read,echo/write").client() as client:
        refused = ask(client, issuer.token(**claims))
    assert refused.status_code == 403
    assert refused.json() == {"message": "Forbidden", "code": "FORBIDDEN"}
    assert refused.headers["www-authenticate"] == (
        'Bearer scope="echo/read echo/write" error="insufficient_scope"'
        ' error_description="expected scopes: [echo/read echo/write]"'
    )


@pytest.mark.parametrize("claims", [{"scope": "openid echo/write"}, {"scp": ["echo/read"]}])
def test_one_of_the_required_scopes_is_enough(
    serve_echo: Callable[..., Echo], issuer: Issuer, claims: dict[str, Any]
) -> None:
    with serve_echo(JwtIssuer=issuer.url, JwtScopes="echo/read,echo/write").client() as client:
        assert ask(client, issuer.token(**claims)).status_code == 200


def test_a_bad_token_is_no_matter_of_scope(serve_echo: Callable[..., Echo], issuer: Issuer) -> None:
    with serve_echo(JwtIssuer=issuer.url, JwtScopes="echo/read").client() as client:
        assert_refused(ask(client, issuer.token(OTHER_KEY)))


def test_routes_without_an_authorizer_look_at_no_token(guarded: httpx.Client) -> None:
    response = guarded.get("/echo", headers={"Authorization": "Bearer nonsense"})
    assert response.status_code == 200
    assert "authorizer" not in response.json()["event"]["requestContext"]
