"""`Idempotency-Key` against a real table: replay, mismatch, in progress, takeover; and what the table gives away."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg
import pytest

from inlet import database as inlets
from inlet import idempotency, idempotency_keys_table, identifiers
from inlet.errors import IdempotencyInProgress, IdempotencyMismatch, InvalidRequest, LimitExceeded, UploadNotFound
from inlet.settings import settings
from tests.support.invocations import api_event

pytestmark = pytest.mark.usefixtures("inlet_settings")

KEY = "0b8d3a3e-0001-4000-8000-000000000001"
SECRET = "secret-session-token"


def post(
    key: str = KEY, *, body: Any = None, path: str = "/api/upload", client: str = "192.0.2.1", token: str | None = None
) -> dict[str, Any]:
    headers = {"Idempotency-Key": key} | ({"X-Session-Token": token} if token else {})
    return api_event("POST", path, json_body=body or {"a": 1}, headers=headers, client=client)


def replayed(event: dict[str, Any], compute: Callable[[], Any], guard: Callable[[], None] = lambda: None) -> Any:
    return idempotency.replayed(event, compute, guard)


class Work:
    """Answers differently each time, so that a second run shows."""

    def __init__(self, status: int = 201) -> None:
        self.calls = 0
        self.status = status

    def __call__(self) -> dict[str, Any]:
        self.calls += 1
        return {"statusCode": self.status, "body": f"{SECRET} {self.calls}", "headers": {"retry-after": "1"}}


def test_the_first_answer_is_replayed() -> None:
    work = Work()
    first = replayed(post(), work)
    assert first == {"statusCode": 201, "body": f"{SECRET} 1", "headers": {"retry-after": "1"}}
    assert replayed(post(), work) == first
    assert work.calls == 1


def test_a_base64_encoded_repeat_is_the_same_body() -> None:
    work, encoded = Work(), post()
    encoded["body"], encoded["isBase64Encoded"] = "eyJhIjogMX0=", True
    assert replayed(post(), work) == replayed(encoded, work)


@pytest.mark.parametrize(
    "change",
    [{"key": "another-0001-4000-8000-0000"}, {"client": "192.0.2.2"}, {"path": "/api/process"}, {"token": "t"}],
)
def test_another_key_caller_or_endpoint_is_another_request(change: dict[str, Any]) -> None:
    work = Work()
    replayed(post(), work)
    replayed(post(**change), work)
    assert work.calls == 2


def test_another_body_under_the_same_key_is_refused() -> None:
    work = Work()
    replayed(post(), work)
    with pytest.raises(IdempotencyMismatch):
        replayed(post(body={"a": 2}), work)
    assert work.calls == 1


def test_while_the_first_runs_the_second_waits_outside() -> None:
    seen: list[type[Exception]] = []

    def work() -> dict[str, Any]:
        for body in ({"a": 1}, {"a": 2}):
            try:
                replayed(post(body=body), Work())
            except (IdempotencyInProgress, IdempotencyMismatch) as error:
                seen.append(type(error))
        return {"statusCode": 200, "body": ""}

    replayed(post(), work)
    assert seen == [IdempotencyInProgress, IdempotencyMismatch]


def test_a_dead_first_is_taken_over_when_its_lease_lapses(database: psycopg.Connection[Any]) -> None:
    class Died(BaseException):
        """As a killed process: nothing after it runs."""

    def die() -> dict[str, Any]:
        raise Died

    with pytest.raises(Died):
        replayed(post(), die)
    work = Work()
    with pytest.raises(IdempotencyInProgress):
        replayed(post(), work)
    database.execute("UPDATE idempotency_keys SET locked_until = now() - interval '1 second'")
    with pytest.raises(IdempotencyMismatch):
        replayed(post(body={"a": 2}), work)
    assert replayed(post(), work)["body"] == f"{SECRET} 1"


def test_one_who_was_taken_over_does_not_overwrite(database: psycopg.Connection[Any]) -> None:
    def slow() -> dict[str, Any]:
        database.execute("UPDATE idempotency_keys SET locked_until = now() - interval '1 second'")
        replayed(post(), lambda: {"statusCode": 200, "body": "taken over"})
        return {"statusCode": 200, "body": "slow"}

    replayed(post(), slow)
    assert replayed(post(), Work())["body"] == "taken over"


@pytest.mark.parametrize("status", [400, 409, 422, 500])
def test_a_refusal_is_not_kept(status: int) -> None:
    work = Work(status)
    replayed(post(), work)
    replayed(post(body={"a": 2}), work)
    assert work.calls == 2


def test_an_exception_frees_the_key() -> None:
    def broken() -> dict[str, Any]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        replayed(post(), broken)
    assert replayed(post(), Work())["statusCode"] == 201


def test_after_a_day_the_answer_is_forgotten(database: psycopg.Connection[Any]) -> None:
    work = Work()
    replayed(post(), work)
    row = database.execute("SELECT expires_at - now() BETWEEN '23:59' AND '24:00' FROM idempotency_keys").fetchone()
    assert row == (True,)
    database.execute("UPDATE idempotency_keys SET expires_at = now() - interval '1 second'")
    replayed(post(body={"a": 2}), work)
    assert work.calls == 2


def test_the_table_gives_nothing_away(database: psycopg.Connection[Any]) -> None:
    replayed(post(token="my-token"), Work())
    rows = database.execute("SELECT * FROM idempotency_keys").fetchall()
    stored = repr(rows) + bytes(rows[0][5]).decode("latin-1")
    for secret in (SECRET, KEY, "my-token", "192.0.2.1", json.dumps({"a": 1})):
        assert secret not in stored


def test_reads_and_requests_without_a_key_touch_no_table(
    database: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work()
    without, read = post(), post()
    del without["headers"]["idempotency-key"]
    read["requestContext"]["http"]["method"] = "GET"
    for event in (without, without, read, read):
        replayed(event, work)
    assert work.calls == 4
    assert database.execute("SELECT count(*) FROM idempotency_keys").fetchone() == (0,)


@pytest.mark.parametrize("key", ["", "1", "x" * 21, "x" * 256, "é" * 30, f"{KEY}\n", f"{KEY}!"])
def test_without_a_user_a_key_cannot_be_guessed(key: str, database: psycopg.Connection[Any]) -> None:
    with pytest.raises(InvalidRequest):
        replayed(post(key), Work())
    assert database.execute("SELECT count(*) FROM idempotency_keys").fetchone() == (0,)


def test_a_signed_in_user_may_choose_any_visible_key(database: psycopg.Connection[Any]) -> None:
    def signed_in(key: str) -> dict[str, Any]:
        return api_event("POST", "/x", json_body={}, headers={"Idempotency-Key": key}, claims={"sub": "ada"})

    assert replayed(signed_in("1"), Work()) == replayed(signed_in("1"), Work())
    for key in ("", "x" * 256, "a\x00b", "a\r\nb", "a\tb", "a\u200bb", "a b"):
        with pytest.raises(InvalidRequest):
            replayed(signed_in(key), Work())
    assert database.execute("SELECT DISTINCT subject_hash FROM idempotency_keys").fetchall() == [
        (identifiers.user_hash("ada"),)
    ]


def insertions(database: psycopg.Connection[Any]) -> Any:
    """Count every row that was ever inserted, those rolled back or deleted too.

    A connection tells of its own insertions about once a second, unless it is asked to do so at once.
    """
    inlets.fetch_one("SELECT pg_stat_force_next_flush()", {})
    inserted = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'idempotency_keys'"
    return database.execute(inserted).fetchone()


def test_what_a_guard_refuses_writes_nothing_and_a_replay_is_not_asked(database: psycopg.Connection[Any]) -> None:
    def refuse() -> None:
        raise LimitExceeded(retry_after_seconds=1, next_allowed_at="")

    work = Work()
    first = replayed(post(), work)
    assert replayed(post(), work, refuse) == first
    before = insertions(database)
    for number in range(100):
        with pytest.raises(LimitExceeded):
            replayed(post(f"{KEY}-{number}"), work, refuse)
    assert insertions(database) == before
    assert database.execute("SELECT count(*) FROM idempotency_keys").fetchone() == (1,)
    assert work.calls == 1


def test_what_was_deleted_is_not_replayed() -> None:
    def refuse() -> None:
        raise UploadNotFound

    replayed(post(), Work())
    with pytest.raises(UploadNotFound):
        replayed(post(), Work(), refuse)


def test_the_table_alone_opens_no_answer_even_to_who_guesses_the_key(
    database: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader of the table who guesses key and caller has still not the server's secret."""
    replayed(post(), Work())
    monkeypatch.setenv("SERVER_SECRET", "another-secret-of-thirty-two-letters")
    settings.reload()
    work = Work()
    assert replayed(post(), work)["body"] == f"{SECRET} 1"
    assert work.calls == 1, "under another secret the row is not found, let alone read"
    assert database.execute("SELECT count(*) FROM idempotency_keys").fetchone() == (2,)


def test_of_racing_claims_one_wins(database_url: str) -> None:
    """Twenty connections at once: one computes, the others are told to wait."""
    barrier = Barrier(20)
    parameters = {"key_hash": "k", "request_hash": "r", "subject_hash": None, "lease": 60, "keep": 24}

    def claim(number: int) -> bool:
        with psycopg.connect(database_url, autocommit=True) as connection:
            barrier.wait()
            token = f"00000000-0000-0000-0000-{number:012}"
            row = None
            while row is None:
                row = connection.execute(idempotency_keys_table._CLAIM, parameters | {"token": token}).fetchone()
            return bool(row[2])

    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(claim, range(20))) == 1
