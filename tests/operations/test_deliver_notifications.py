"""Webhooks: what happens to a notification at every kind of endpoint. The receiver verifies as its owner would."""

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import ModuleType
from typing import Any

import httpx
import psycopg
import pytest

from inlet import deliverer
from inlet.errors import InletError
from inlet.settings import InvalidSetting, settings
from local.stack import LocalStack
from tests.support import image_jobs, invocations, speaking_sessions, upload_sessions, webhook_receiver
from tests.support.crash import Functions
from tests.support.webhook_receiver import SECRET, Receiver

NEW_SECRET = "whsec_" + "dGhlIG5ldyBzZWNyZXQgb2YgdGhlIG93bmVyIQ=="
DAYS = timedelta(days=4)  # longer than all attempts together

type Database = psycopg.Connection[Any]
type Deliver = Callable[..., dict[str, int]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with webhook_receiver.listening() as listening:
        yield listening


@pytest.fixture
def handler(load_handler: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The function, which waits for no attempt that is due later."""
    module = load_handler("operations/deliver_notifications")
    monkeypatch.setattr(module, "NEAR_SECONDS", 0)
    return module


@pytest.fixture
def deliver(inlet_settings: None, handler: ModuleType, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Deliver:
    """`deliver(event, WEBHOOK_SECRETS=…)`: run the function once."""

    def run(event: dict[str, Any] | None = None, **changed: str) -> dict[str, int]:
        for name, value in ({"WEBHOOK_URL": receiver.url, "WEBHOOK_SECRETS": SECRET} | changed).items():
            monkeypatch.setenv(name, value)
        settings.reload()
        counts: dict[str, int] = handler.lambda_handler(event or {}, invocations.Context())
        return counts

    return run


def record(database: Database, count: int = 1) -> list[str]:
    """Notifications that are due, the oldest first."""
    ids = [str(uuid.uuid4()) for _ in range(count)]
    for number, id_ in enumerate(ids):
        database.execute(
            "INSERT INTO notifications (id, type, data, next_attempt_at)"
            " VALUES (%s, 'image_job.completed', '{}', now() - make_interval(secs => %s))",
            (id_, count - number),
        )
    return ids


def pass_time(database: Database, time: timedelta) -> None:
    database.execute("UPDATE notifications SET next_attempt_at = next_attempt_at - %s", (time,))
    database.execute("UPDATE webhook_pauses SET until = until - %s", (time,))


def one(database: Database, column: str) -> Any:
    (value,) = database.execute(f"SELECT {column} FROM notifications").fetchone() or (None,)
    return value


def test_is_delivered_once_and_signed(database: Database, deliver: Deliver, receiver: Receiver) -> None:
    ids = record(database, 45)
    assert deliver()["delivered"] == 45
    assert sorted(receiver.ids()) == sorted(ids)
    assert set(receiver.requests[0].message) == {"type", "timestamp", "data"}
    assert deliver()["delivered"] == 0
    assert len(receiver.requests) == 45


@pytest.mark.parametrize("answer", [500, 301, 404, 429, "close", "hang"])
def test_what_is_not_taken_comes_again_with_the_same_id(
    database: Database,
    deliver: Deliver,
    receiver: Receiver,
    answer: int | str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("inlet.webhooks.TIMEOUT_SECONDS", 0.5)
    receiver.answers["*"] = answer
    receiver.headers["location"] = receiver.url
    (id_,) = record(database)
    assert deliver()["failed"] == 1
    wait = one(database, "extract(epoch FROM next_attempt_at - now())")
    assert 3 < wait <= 5.5, "the second attempt is five seconds later"
    del receiver.answers["*"]
    assert deliver() == {"delivered": 0, "failed": 0, "dead": 0, "dropped": 0}
    pass_time(database, timedelta(seconds=6))
    assert deliver()["delivered"] == 1
    assert receiver.ids() == [id_, id_]


def test_an_endpoint_that_is_not_there(database: Database, deliver: Deliver) -> None:
    record(database)
    assert deliver(WEBHOOK_URL="http://127.0.0.1:9/")["failed"] == 1
    assert one(database, "last_answer") == "NewConnectionError"


def test_a_bad_one_holds_up_no_other(
    database: Database, deliver: Deliver, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inlet.webhooks.TIMEOUT_SECONDS", 2)
    hanging, refused, *others = record(database, 30)
    receiver.answers |= {hanging: "hang", refused: 500}
    assert deliver()["delivered"] == 28
    assert set(others) <= set(receiver.ids())


DELIVERER = "OperationsDeliverNotificationsFunction"
LEASED, ANSWERED = 1, 4  # the points just after a batch is leased, and just before what came of it is recorded


@pytest.fixture
def deliverers(killable: Callable[..., Functions], receiver: Receiver) -> Functions:
    """The function, run as often as wanted at the same time."""
    return killable(WEBHOOK_URL=receiver.url, WEBHOOK_SECRETS=SECRET)


def test_two_at_the_same_time_deliver_each_once(database: Database, deliverers: Functions, receiver: Receiver) -> None:
    recorded = record(database, 30)
    with deliverers.held(DELIVERER, {}, LEASED) as first:
        second = deliverers.invoke(DELIVERER, {})
        assert 0 < second.payload["delivered"] < 30
        delivered = first.release().payload["delivered"]
    assert second.payload["delivered"] + delivered == 30
    assert sorted(receiver.ids()) == sorted(recorded)


def test_who_fails_late_undoes_nothing(database: Database, deliverers: Functions, receiver: Receiver) -> None:
    (id_,) = record(database)
    receiver.answers["*"] = 500
    with deliverers.held(DELIVERER, {}, ANSWERED) as late:
        receiver.answers.clear()
        pass_time(database, DAYS)
        assert deliverers.invoke(DELIVERER, {}).payload["delivered"] == 1
        late.release()
    assert receiver.ids() == [id_, id_]
    assert one(database, "delivered_at") is not None
    assert one(database, "next_attempt_at") is None


def test_after_the_last_attempt_it_is_dead_until_it_is_replayed(
    database: Database, deliver: Deliver, receiver: Receiver
) -> None:
    receiver.answers["*"] = 500
    (id_,) = record(database)
    waits = []
    for _ in range(9):
        assert deliver()["failed"] == 1
        waits.append(one(database, "extract(epoch FROM next_attempt_at - now())"))
        pass_time(database, DAYS)
    hours = [float(wait) / 3600 for wait in waits]
    for hour, (least, most) in zip(hours[2:], [(0.5, 0.6), (2, 2.3), (5, 5.6), (10, 11.1), (14, 15.5)], strict=False):
        assert least - 0.01 <= hour <= most
    with pytest.raises(InletError, match="1 notifications are dead"):
        deliver()
    assert len(receiver.requests) == 10
    pass_time(database, DAYS)
    assert deliver() == {"delivered": 0, "failed": 0, "dead": 0, "dropped": 0}, "not even the alarm rings twice"
    del receiver.answers["*"]
    replayed = deliver({"replay": {"ids": [id_]}})
    assert (replayed["replayed"], replayed["delivered"]) == (1, 1)
    assert set(receiver.ids()) == {id_}


def test_410_stops_everything_until_somebody_replays(database: Database, deliver: Deliver, receiver: Receiver) -> None:
    receiver.answers["*"] = 410
    ids = record(database, 3)
    with pytest.raises(InletError, match="gone"):
        deliver()
    asked = len(receiver.requests)
    assert asked <= 3
    ids += record(database, 1)
    pass_time(database, DAYS)
    with pytest.raises(InletError, match="gone"):
        deliver()
    assert len(receiver.requests) == asked, "it is left in peace"
    assert one(database, "max(attempts)") == 0, "none of this was an attempt"
    del receiver.answers["*"]
    assert deliver(WEBHOOK_URL=receiver.url + "/new")["delivered"] == 4, "another endpoint may be another one's"
    counts = deliver({"replay": {"since": "2020-01-01T00:00:00"}})
    assert (counts["replayed"], counts["delivered"]) == (4, 4)
    assert sorted(receiver.ids()[-4:]) == sorted(ids)


@pytest.mark.parametrize("is_moment", [False, True])
def test_retry_after_leaves_the_endpoint_in_peace(
    database: Database, deliver: Deliver, receiver: Receiver, is_moment: bool
) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    receiver.answers["*"] = 429
    receiver.headers["retry-after"] = moment if is_moment else "100"
    (id_,) = record(database)
    assert deliver()["failed"] == 1
    del receiver.answers["*"]
    record(database)
    pass_time(database, timedelta(seconds=90))
    assert deliver()["delivered"] == 0
    pass_time(database, timedelta(seconds=20))
    assert deliver()["delivered"] == 2
    assert receiver.ids().count(id_) == 2


def test_every_secret_signs_so_that_one_can_be_replaced(
    database: Database, deliver: Deliver, receiver: Receiver
) -> None:
    for known in (SECRET, NEW_SECRET):
        receiver.secret = known
        record(database)
        assert deliver(WEBHOOK_SECRETS=f"{NEW_SECRET} {SECRET}")["delivered"] == 1
    assert len(receiver.requests[0].headers["webhook-signature"].split(" ")) == 2


def test_without_an_endpoint_they_rest_and_can_be_replayed(database: Database, deliver: Deliver) -> None:
    record(database, 3)
    assert deliver(WEBHOOK_URL="")["dropped"] == 3
    assert deliver()["delivered"] == 0
    assert deliver({"replay": {"since": "2020-01-01T00:00:00Z"}})["delivered"] == 3


@pytest.mark.parametrize(
    "wanted",
    [{"replay": {}}, {"replay": {"ids": ["x"]}}, {"replay": {"since": "yesterday"}}, {"ids": "x"}, {"replay": 1}],
)
def test_a_replay_that_cannot_be_understood(database: Database, deliver: Deliver, wanted: dict[str, Any]) -> None:
    record(database)
    with pytest.raises(InletError, match="Replay by time"):
        deliver(wanted)


@pytest.mark.parametrize(
    "changed",
    [
        {"WEBHOOK_URL": "http://example.com", "STAGE": "prod"},
        {"WEBHOOK_URL": "https://user@example.com"},
        {"WEBHOOK_URL": "https://"},
        {"WEBHOOK_SECRETS": ""},
        {"WEBHOOK_SECRETS": "whsec_"},
        {"WEBHOOK_SECRETS": "whsec_é"},
    ],
)
def test_settings_that_cannot_be_used_are_named(database: Database, deliver: Deliver, changed: dict[str, str]) -> None:
    record(database)
    with pytest.raises(InvalidSetting, match=next(iter(changed))):
        deliver(**changed)
    assert one(database, "attempts") == 0


def test_every_ending_is_told_at_once_and_tells_nobody_who(
    start_stack: Callable[..., LocalStack], receiver: Receiver
) -> None:
    stack = start_stack(WEBHOOK_URL=receiver.url, WEBHOOK_SECRETS=SECRET, RATE_LIMIT_BYPASS="true")
    with httpx.Client(base_url=stack.url, timeout=30) as http, psycopg.connect(stack.database_url) as connection:
        job = image_jobs.started(http)
        completed = receiver.wait_for("image_job.completed").message["data"]
        status = image_jobs.status(http, job).json()
        assert completed == {
            "id": job.id,
            "status": "completed",
            "revision": status["revision"],
            "resultId": status["resultId"],
        }
        refused = image_jobs.started(http, b"no picture")
        assert receiver.wait_for("image_job.failed").message["data"]["id"] == refused.id

        session = upload_sessions.create(http, upload_sessions.pdf())
        session.send(upload_sessions.pdf())
        assert session.finalize().status_code == 200
        told = receiver.wait_for("upload_session.completed").message["data"]
        assert (told["id"], told["status"]) == (session.id, "completed")
        aborted = upload_sessions.create(http, upload_sessions.pdf())
        assert http.delete(f"/api/mocs/uploads/sessions/{aborted.id}").status_code == 204
        assert receiver.wait_for("upload_session.deleted").message["data"]["id"] == aborted.id
        expired = upload_sessions.create(http, upload_sessions.pdf())
        connection.execute("UPDATE upload_sessions SET expires_at = now() WHERE id = %s", (expired.id,))
        connection.commit()
        stack.sandboxes.invoke("OperationsSweepFunction", {})
        assert receiver.wait_for("upload_session.expired").message["data"]["id"] == expired.id
        recording = speaking_sessions.recorded(http)
        assert http.delete(f"/api/sessions/{recording}").status_code == 200
        assert receiver.wait_for("speaking_session.deleted").message["data"]["id"] == recording
    everything = " ".join(taken.text for taken in receiver.requests)
    for personal in ("@", "http", job.token, os.environ.get("DEV_USER_SUB", "dev-user"), "original"):
        assert personal not in everything


@pytest.mark.parametrize("is_there", [True, False])
def test_an_ending_does_not_wait_for_a_deliverer_that_cannot_be_woken(
    inlet_settings: None, is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if is_there else 9
        for name, value in {
            "NOTIFICATIONS_FUNCTION": "inlet-OperationsDeliverNotificationsFunction",
            "AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{port}",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
        }.items():
            monkeypatch.setenv(name, value)
        settings.reload()
        deliverer.client.cache_clear()
        deliverer.client()
        begun = time.monotonic()
        deliverer.wake()
        assert time.monotonic() - begun < 10, "a second and a half, on a machine that has nothing else to do"
        deliverer.client.cache_clear()
