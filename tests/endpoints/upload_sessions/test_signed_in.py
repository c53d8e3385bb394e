"""Upload sessions of signed-in users: tokens of a local issuer, another user's session, the daily limit."""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from types import ModuleType

import httpx
import psycopg
import pytest

from inlet.settings import UnsafeSetting, settings
from local.stack import PROJECT, LocalStack
from local_aws.template import Template
from tests.support.invocations import Context
from tests.support.issuer import OTHER_KEY, Issuer
from tests.support.upload_sessions import SESSIONS, Session, create, declare, pdf
from tests.support.worlds import upload_sessions

ID = "00000000-0000-4000-8000-000000000000"
TEMPLATE = Template(PROJECT / "template.yaml")
ENDPOINTS = [
    (route.method, re.sub(r"\{\w+\}", ID, route.path))
    for route in TEMPLATE.routes
    if route.path.startswith(SESSIONS) and "/companion/" not in route.path
]
VERBS = sorted(path.parent.name for path in PROJECT.glob("functions/upload_sessions/*/handler.py"))
LIMIT = 3


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    running = Issuer()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def guarded(
    open_stack: Callable[..., LocalStack],
    issuer: Issuer,
) -> Iterator[LocalStack]:
    """A stack that believes one issuer, and has no bypass and a small daily limit."""
    with open_stack(AUTH_BYPASS="false", JWT_ISSUER=issuer.url, UPLOAD_SESSIONS_PER_DAY=str(LIMIT)) as running:
        yield running


@pytest.fixture
def as_user(guarded: LocalStack, issuer: Issuer) -> Iterator[Callable[[str], httpx.Client]]:
    """`as_user("ada")`: a client with her token."""
    clients: list[httpx.Client] = []

    def client(sub: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {issuer.token(sub=sub)}"}
        clients.append(httpx.Client(base_url=guarded.url, headers=headers, timeout=30))
        return clients[-1]

    yield client
    for one in clients:
        one.close()


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_no_auth_header(guarded: LocalStack, method: str, path: str) -> None:
    """At every endpoint."""
    response = httpx.request(method, guarded.url + path)
    assert response.status_code == 401
    assert response.json()["code"] == "UNAUTHORIZED"
    assert response.json()["error"]


def forgeries(issuer: Issuer) -> dict[str, str]:
    header, payload, signature = issuer.token().split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "first"}).encode()).rstrip(b"=").decode()
    return {
        "expired": issuer.token(exp=int(time.time()) - 1),
        "not yet": issuer.token(nbf=int(time.time()) + 600),
        "wrong audience": issuer.token(aud="somebody else"),
        "wrong issuer": issuer.token(iss="https://issuer.example.com"),
        "alg: none": f"{none}.{payload}.",
        "other key": issuer.token(OTHER_KEY),
        "missing sub": issuer.token(sub=None),
        "empty sub": issuer.token(sub=""),
        "another's payload": f"{header}.{issuer.token(sub='eve').split('.')[1]}.{signature}",
        "no token": "nonsense",
    }


def test_a_token_that_does_not_pass(guarded: LocalStack, issuer: Issuer) -> None:
    for name, token in forgeries(issuer).items():
        response = declare(httpx.Client(base_url=guarded.url, headers={"Authorization": f"Bearer {token}"}), pdf())
        assert (response.status_code, response.json()["code"]) == (401, "UNAUTHORIZED"), name
    with psycopg.connect(guarded.database_url) as connection:
        assert connection.execute("SELECT count(*) FROM upload_sessions").fetchone() == (0,)


def test_the_user_is_the_tokens_sub(guarded: LocalStack, as_user: Callable[[str], httpx.Client]) -> None:
    ada, bob = as_user("ada"), as_user("bob")
    session = create(ada, pdf())
    with psycopg.connect(guarded.database_url) as connection:
        [row] = connection.execute("SELECT user_id FROM upload_sessions WHERE id = %s", (session.id,)).fetchall()
    assert row == ("ada",)
    assert session.read().status_code == 200
    theirs, missing = Session(bob, session.id).read(), Session(bob, ID).read()
    assert (theirs.status_code, theirs.json()) == (missing.status_code, missing.json())
    assert missing.status_code == 404


def test_the_daily_limit(guarded: LocalStack, as_user: Callable[[str], httpx.Client]) -> None:
    """Per user and UTC day, before any write; what is refused is not counted."""
    eve = as_user("eve")
    assert declare(eve).status_code == 422
    assert [declare(eve, pdf()).status_code for _ in range(LIMIT)] == [201] * LIMIT
    refused = declare(eve, pdf())
    assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
    assert refused.json()["nextAllowedAt"].endswith("T00:00:00.000Z")
    assert 1 <= int(refused.headers["retry-after"]) <= 86400
    assert declare(as_user("another"), pdf()).status_code == 201
    with psycopg.connect(guarded.database_url) as connection:
        counted = connection.execute("SELECT count(*) FROM upload_sessions WHERE user_id = 'eve'").fetchone()
        assert counted == (LIMIT,)
        connection.execute("UPDATE rate_limits SET window_start = window_start - interval '1 day'")
    assert declare(eve, pdf()).status_code == 201, "the next day"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("setting", ["AUTH_BYPASS", "RATE_LIMIT_BYPASS"])
@pytest.mark.parametrize("stage", ["dev", "prod", None])
def test_a_deployed_function_with_a_bypass_refuses_to_start(
    monkeypatch: pytest.MonkeyPatch,
    load_handler: Callable[[str], ModuleType],
    verb: str,
    setting: str,
    stage: str | None,
) -> None:
    """`RATE_LIMIT_BYPASS` and `AUTH_BYPASS` are for the local stage; a forgotten `STAGE` is a deployed one."""
    monkeypatch.delenv("STAGE", raising=False)
    if stage:
        monkeypatch.setenv("STAGE", stage)
    monkeypatch.setenv(setting, "true")
    settings.reload()
    with pytest.raises(UnsafeSetting):
        load_handler(f"upload_sessions/{verb}")
    monkeypatch.undo()
    settings.reload()


@pytest.mark.usefixtures("inlet_settings")
@pytest.mark.parametrize(("bypass", "status"), [("true", 201), ("false", 429)])
def test_the_limit_can_be_switched_off_locally(
    monkeypatch: pytest.MonkeyPatch, load_handler: Callable[[str], ModuleType], bypass: str, status: int
) -> None:
    """`RATE_LIMIT_BYPASS=true`, on the local stage."""
    monkeypatch.setenv("UPLOAD_SESSIONS_PER_DAY", "0")
    monkeypatch.setenv("RATE_LIMIT_BYPASS", bypass)
    settings.reload()
    call = upload_sessions.create(pdf())
    assert load_handler("upload_sessions/create").lambda_handler(call.event, Context())["statusCode"] == status
