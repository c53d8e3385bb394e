"""The stack's own issuer: there without the bypass and without another one, and whose tokens the API takes."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from local.stack import RESOURCE, SCOPE, LocalStack
from local_aws.children import PartFailed
from local_aws.issuer import Issuer
from local_aws.issuer_grants import Grant
from tests.support.issuer import Issuer as AnotherIssuer
from tests.support.stacks import new_stack


@pytest.fixture
def closed(start_stack: Callable[..., LocalStack]) -> LocalStack:
    return start_stack(AUTH_BYPASS="false", ACCESS_TOKEN_SECONDS="600")


def own(stack: LocalStack) -> Issuer:
    assert stack.issuer is not None
    return stack.issuer


def ask(stack: LocalStack, token: str, path: str = "/api/sessions") -> httpx.Response:
    return httpx.get(stack.url + path, headers={"Authorization": f"Bearer {token}"}, timeout=30)


def test_the_api_takes_access_tokens_with_its_scope_and_for_it(closed: LocalStack) -> None:
    issuer = own(closed)
    assert ask(closed, issuer.access_token(Grant("ada", f"openid {SCOPE}", RESOURCE))).status_code == 200
    for path in ("/api/sessions", "/api/mocs/uploads/sessions/00000000-0000-4000-8000-000000000000"):
        without = ask(closed, issuer.access_token(Grant("ada", "openid", RESOURCE)), path)
        assert (without.status_code, without.json()["code"]) == (403, "FORBIDDEN")
        assert f'scope="{SCOPE}" error="insufficient_scope"' in without.headers["www-authenticate"]
        unbound = ask(closed, issuer.access_token(Grant("ada", f"openid {SCOPE}")), path)
        assert (unbound.status_code, unbound.json()["code"]) == (401, "UNAUTHORIZED"), "its audience is the client's"


def test_how_long_an_access_token_lives_is_a_setting(closed: LocalStack) -> None:
    assert own(closed).access_seconds == 600


def test_there_is_none_where_nobody_needs_it(stack: LocalStack, tmp_path: Path) -> None:
    assert stack.issuer is None, "under the bypass"
    another = AnotherIssuer()
    try:
        named = new_stack(tmp_path, {"AUTH_BYPASS": "false", "JWT_ISSUER": another.url, "DATABASE_URL": "unused"})
        assert named.issuer is None
        assert named.template.authorizers["SignedIn"].issuer == another.url
    finally:
        another.stop()


def test_another_issuer_may_be_held_to_a_scope_too(tmp_path: Path) -> None:
    settings = {"AUTH_BYPASS": "false", "JWT_ISSUER": "http://127.0.0.1:9", "DATABASE_URL": "unused"}
    assert new_stack(tmp_path, settings).template.authorizers["SignedIn"].scopes == []
    settings["JWT_SCOPE"] = "files"
    assert new_stack(tmp_path, settings).template.authorizers["SignedIn"].scopes == ["files"]


def test_a_life_that_is_no_number_is_said(tmp_path: Path) -> None:
    with pytest.raises(PartFailed, match="ACCESS_TOKEN_SECONDS must be a number"):
        new_stack(tmp_path, {"AUTH_BYPASS": "false", "ACCESS_TOKEN_SECONDS": "soon", "DATABASE_URL": "unused"})
