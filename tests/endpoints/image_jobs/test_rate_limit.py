"""Ten uploads an hour for one client, on a stack with limits on."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import httpx
import psycopg
import pytest

from local.stack import LocalStack
from tests.support import invocations
from tests.support.image_jobs import EMAIL, confirm, reserve


@pytest.fixture(scope="module")
def limited(
    open_stack: Callable[..., LocalStack],
) -> Iterator[LocalStack]:
    """A stack with limits on."""
    with open_stack(MAX_IMAGE_BYTES="1000") as running:
        yield running


def client(stack: LocalStack, address: str) -> httpx.Client:
    """A client with an address of its own: all of 127.0.0.0/8 is this machine."""
    return httpx.Client(base_url=stack.url, transport=httpx.HTTPTransport(local_address=address), timeout=30)


def post(http: httpx.Client, **headers: str) -> httpx.Response:
    return http.post("/api/upload", json={"email": EMAIL, "type": "image/png"}, headers=headers)


def ten_in_one_hour(stack: LocalStack, address: str) -> None:
    with client(stack, address) as http:
        for number in range(10):
            forged = {"X-Forwarded-For": f"198.51.100.{number}", "Forwarded": "for=198.51.100.1"}
            answer = post(http, **forged)
            assert answer.status_code == 201, "a client's headers neither help nor harm"


def test_the_eleventh_is_refused(limited: LocalStack) -> None:
    if datetime.now(UTC).minute == 59 and datetime.now(UTC).second > 50:
        time.sleep(60 - datetime.now(UTC).second)  # windows are fixed: both halves of the test lie in one
    ten_in_one_hour(limited, "127.0.0.10")
    with client(limited, "127.0.0.10") as http:
        for forged in ({}, {"X-Forwarded-For": "198.51.100.77"}):
            refused = post(http, **forged)
            body = refused.json()
            next_allowed_at = body.pop("nextAllowedAt")
            assert refused.status_code == 429
            message = "Too many requests. Please try again later."
            assert body == {"success": False, "error": {"code": "TOO_MANY_REQUESTS", "message": message}}
            seconds = (datetime.fromisoformat(next_allowed_at) - datetime.now(UTC)).total_seconds()
            assert abs(int(refused.headers["retry-after"]) - seconds) < 5
            assert 0 < seconds <= 3600
            assert next_allowed_at.endswith(":00:00.000Z")
    with client(limited, "127.0.0.11") as http:
        assert post(http).status_code == 201, "another client is not meant"
    with psycopg.connect(limited.database_url, autocommit=True) as database:
        assert database.execute("SELECT count(*) FROM uploads").fetchone() == (11,)
        assert database.execute("SELECT count(*) FROM outbox_events").fetchone() == (22,)
        addresses = database.execute("SELECT string_agg(key, ' ') FROM rate_limits").fetchone()
        assert "127.0.0.10" not in str(addresses), "the table holds no address"
        database.execute("UPDATE rate_limits SET window_start = window_start - interval '1 hour', window_end = now()")
    with client(limited, "127.0.0.10") as http:
        assert post(http).status_code == 201, "in the next hour"


def test_a_refusal_or_a_replay_does_not_count(limited: LocalStack) -> None:
    with client(limited, "127.0.0.20") as http:
        for _ in range(12):
            assert http.post("/api/upload", json={"email": "x", "type": "image/png"}).status_code == 422
            assert http.post("/api/upload", json={"email": EMAIL, "type": "image/gif"}).status_code == 415
            assert post(http, **{"Idempotency-Key": "replayed-beyond-the-limit"}).status_code == 201
        for _ in range(9):
            assert post(http).status_code == 201


@pytest.mark.usefixtures("inlet_settings")
def test_one_subscriber_has_one_ipv6_network(
    load_handler: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPLOADS_PER_HOUR", "2")
    monkeypatch.delenv("RATE_LIMIT_BYPASS", raising=False)
    handler = load_handler("image_jobs/create").lambda_handler

    def create(client: str) -> int:
        body = {"email": EMAIL, "type": "image/png"}
        event = invocations.api_event("POST", "/api/upload", json_body=body, client=client)
        return int(handler(event, invocations.Context())["statusCode"])

    assert [create(f"2001:db8:0:1::{host}") for host in ("1", "2", "ffff:3")] == [201, 201, 429]
    assert create("2001:db8:0:2::1") == 201


@pytest.mark.usefixtures("inlet_settings")
def test_a_customer_with_many_ipv6_networks_is_limited_as_one(
    load_handler: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, database: psycopg.Connection[Any]
) -> None:
    """A provider gives one customer a /56 or a /48: 256 or 65,536 networks. A refused call uses up nobody's share."""
    monkeypatch.delenv("RATE_LIMIT_BYPASS", raising=False)
    handler = load_handler("image_jobs/create").lambda_handler

    def create(client: str) -> int:
        body = {"email": EMAIL, "type": "image/png"}
        event = invocations.api_event("POST", "/api/upload", json_body=body, client=client)
        return int(handler(event, invocations.Context())["statusCode"])

    one_56 = [create(f"2001:db8:0:{number:02x}::1") for number in range(40)]
    assert one_56 == [201] * 30 + [429] * 10
    for _ in range(100):
        assert create("2001:db8:0:ff::1") == 429
    assert create("2001:db8:0:100::1") == 201, "the next /56 of the same /48"
    database.execute("UPDATE rate_limits SET count = 99 WHERE count > 30")
    assert [create(f"2001:db8:0:{number:02x}00::1") for number in range(2, 4)] == [201, 429]
    assert create("2001:db8:1::1") == 201, "another /48"


def test_over_the_limit_a_fresh_key_writes_nothing_and_a_known_one_is_answered(limited: LocalStack) -> None:
    def key(number: int) -> str:
        return f"00000000-0000-4000-8000-{number:012}"

    with client(limited, "127.0.0.40") as http, psycopg.connect(limited.database_url, autocommit=True) as database:
        first = post(http, **{"Idempotency-Key": key(0)})
        while post(http).status_code == 201:
            pass
        before = database.execute("SELECT count(*), max(expires_at) FROM idempotency_keys").fetchone()
        for number in range(1, 30):
            assert post(http, **{"Idempotency-Key": key(number)}).status_code == 429
            wrong = {"X-Session-Token": "made up", "Idempotency-Key": key(number)}
            assert http.post("/api/process", json={"uploadId": "none"}, headers=wrong).status_code == 404
            theirs = http.post("/api/process", json={"uploadId": first.json()["uploadId"]}, headers=wrong)
            assert theirs.status_code == 401
        assert database.execute("SELECT count(*), max(expires_at) FROM idempotency_keys").fetchone() == before
        assert post(http, **{"Idempotency-Key": key(0)}).json() == first.json()


def test_an_undeclared_size_is_limited_at_confirmation(limited: LocalStack) -> None:
    with client(limited, "127.0.0.30") as http:
        upload = reserve(http)
        assert upload.put(b"x" * 1001).status_code == 200
        assert confirm(http, upload).json()["error"]["code"] == "UPLOAD_MISMATCH"
