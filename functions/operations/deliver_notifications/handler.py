"""Every minute, and when something has ended: tell the owner's backend by webhook, at least once and in no order.

A failed attempt is repeated over three days. One that is slow or refused holds up no other. Invoked by hand with
`{"replay": {"since": "2026-11-26T00:00:00Z"}}` or `{"replay": {"ids": […]}}`, it delivers those again.
"""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from random import SystemRandom
from typing import Any

from inlet import background, deployment_table, identifiers, metrics, notifications_table, webhooks
from inlet.deadline import Deadline
from inlet.errors import InletError
from inlet.logs import logger
from inlet.notifications_table import Notification
from inlet.settings import settings
from inlet.webhooks import Answer, Endpoint

BATCH = 20
RESERVE_SECONDS = webhooks.TIMEOUT_SECONDS + 5
"""How long before its end a run begins no further batch: longer than an endpoint may keep one waiting."""
NEAR_SECONDS = 10
"""A run waits for an attempt that is due so soon, rather than leave it to the next minute."""
MAX_WAIT_SECONDS = 24 * 3600

_dice = SystemRandom()  # a seeded one would fall alike in every copy of one snapshot

MINUTE, HOUR = 60, 3600
DELAYS = (5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""Seconds from each failed attempt to the next one. After the last there is none."""


class NotificationsUndelivered(InletError):
    """Notifications are dead, or the endpoint has said that it is gone. Nothing is lost: replay them."""


class InvalidReplay(InletError):
    """The event asks for a replay that cannot be understood."""

    message = 'Replay by time, {"replay": {"since": "2026-11-26T00:00:00Z"}}, or by id, {"replay": {"ids": ["…"]}}.'


@background.function
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Deliver what is due until nothing is or the time is over. Fails in the end if something is beyond delivery."""
    deadline = Deadline.of(context, reserve_seconds=RESERVE_SECONDS)
    deployment_table.refuse_foreign()
    counts: Counter[str] = Counter(delivered=0, failed=0, dead=0, dropped=0)
    if "replay" in event or "ids" in event:
        counts["replayed"] = _replay(event.get("replay", event))
    endpoint = webhooks.endpoint()
    if endpoint is None:
        while not deadline.passed and (dropped := notifications_table.drop(1000)):
            counts["dropped"] += dropped
        return counts
    try:
        gone = _deliver(endpoint, deadline, counts)
    finally:
        logger.info("notifications", extra=dict(counts))
    metrics.put({"RunsFinished": 1}, operation="deliver_notifications")
    if counts["dead"] or gone:
        raise NotificationsUndelivered(f"{counts['dead']} notifications are dead; the endpoint is gone: {gone}")
    return counts


def _deliver(endpoint: Endpoint, deadline: Deadline, counts: Counter[str]) -> bool:
    """Deliver batch after batch. Return whether something waits for an endpoint that is gone."""
    name = hashlib.sha256((settings.webhook_url or "").encode()).hexdigest()
    while not deadline.passed:
        batch = notifications_table.lease(name, BATCH)
        for notification, answer in _answers(endpoint, batch):
            _settle(name, notification, answer, counts)
        if batch:
            continue
        waiting = notifications_table.waiting(name)
        if waiting.paused or waiting.seconds is None or waiting.seconds > min(NEAR_SECONDS, deadline.seconds_left):
            return waiting.gone and waiting.seconds is not None
        time.sleep(max(0.1, waiting.seconds))
    return False


def _answers(endpoint: Endpoint, batch: list[Notification]) -> Iterator[tuple[Notification, Answer]]:
    """Deliver a batch side by side, and yield each answer as it comes. One that does not come in time is none."""
    answers: SimpleQueue[tuple[Notification, Answer]] = SimpleQueue()

    def post(notification: Notification) -> None:
        answers.put((notification, endpoint.post(notification)))

    for notification in batch:
        threading.Thread(target=post, args=(notification,), daemon=True).start()
    begun = time.monotonic()
    missing = {notification.id: notification for notification in batch}
    while missing:
        try:
            notification, answer = answers.get(timeout=max(0, begun + webhooks.TIMEOUT_SECONDS - time.monotonic()))
        except Empty:
            break
        del missing[notification.id]
        yield notification, answer
    for notification in missing.values():
        yield notification, webhooks.NO_ANSWER


def _settle(endpoint: str, notification: Notification, answer: Answer, counts: Counter[str]) -> None:
    """Record what came of an attempt."""
    if answer.is_delivered:
        notifications_table.delivered(notification, answer.words)
        counts["delivered"] += 1
        return
    logger.warning(
        "notification not delivered",
        extra={"notification": notification.id, "attempt": notification.attempts, "answer": answer.words},
    )
    counts["failed"] += 1
    if answer.status == webhooks.GONE:
        notifications_table.pause(endpoint, None)
        notifications_table.put_back(notification, answer.words)
        return
    wait = min(answer.retry_after_seconds or 0, MAX_WAIT_SECONDS)
    if wait:
        notifications_table.pause(endpoint, wait)
    delay = _delay(notification.attempts)
    notifications_table.failed(notification, answer.words, None if delay is None else max(delay, wait))
    counts["dead"] += delay is None


def _delay(attempts: int) -> float | None:
    """Return the seconds until the next attempt after so many, up to a tenth more so that not all come at once."""
    if attempts > len(DELAYS):
        return None
    return DELAYS[attempts - 1] * _dice.uniform(1, 1.1)


def _replay(wanted: Any) -> int:
    """Make notifications due again, and end the endpoint's pause. Return their number. Raise `InvalidReplay`."""
    wanted = wanted if isinstance(wanted, dict) else {}
    ids, since = wanted.get("ids", []), wanted.get("since")
    if not isinstance(ids, list) or not all(isinstance(id_, str) and identifiers.canonical_uuid(id_) for id_ in ids):
        raise InvalidReplay
    try:
        moment = None if since is None else datetime.fromisoformat(since)
    except (TypeError, ValueError):
        raise InvalidReplay from None
    if moment is None and not ids:
        raise InvalidReplay
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    notifications_table.resume()
    return notifications_table.replay(moment, ids)
