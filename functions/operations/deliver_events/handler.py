"""Every minute, or every day where PostHog is off: deliver the outbox, at least once.

A deterministic UUID lets PostHog drop a repeat.
"""

from collections.abc import Sequence
from typing import Any

import requests
from posthog.request import APIError, batch_post

from inlet import background, deployment_table, metrics, outbox_table
from inlet.deadline import Deadline
from inlet.errors import DependencyUnavailable
from inlet.logs import logger
from inlet.outbox_table import OutboxEvent
from inlet.settings import settings
from inlet.times import iso_utc

BATCH = 100
TIMEOUT_SECONDS = 5
RESERVE_SECONDS = 32
"""How long before its end a run begins no further batch: longer than PostHog may keep one waiting."""


class NotDelivered(DependencyUnavailable):
    """PostHog does not take a batch. Its events stay in the outbox, and come with a later run."""


@background.function
def lambda_handler(_event: dict[str, Any], context: Any) -> dict[str, int]:
    """Send events until none is left or the time is over. Where PostHog refuses a batch, the run fails and says so."""
    deadline = Deadline.of(context, reserve_seconds=RESERVE_SECONDS)
    deployment_table.refuse_foreign()
    sent = 0
    try:
        while not deadline.passed and (batch := outbox_table.lease(BATCH)):
            _deliver(batch)
            outbox_table.mark_sent(event["uuid"] for event in batch)
            sent += len(batch)
    finally:
        logger.info("delivered", extra={"events": sent})
    metrics.put({"RunsFinished": 1}, operation="deliver_events")
    return {"sent": sent}


def _deliver(batch: Sequence[OutboxEvent]) -> None:
    """Send a batch and wait for PostHog's acknowledgement, or raise `NotDelivered`. Without a key, drop it.

    `posthog.capture` would queue and swallow errors, but a row may be marked sent only when it was.
    """
    if settings.posthog_api_key is None:
        return
    try:
        batch_post(
            settings.posthog_api_key,
            host=settings.posthog_host,
            timeout=TIMEOUT_SECONDS,
            batch=[
                {
                    "event": event["name"],
                    "uuid": event["uuid"],
                    "distinct_id": event["distinct_id"],
                    "properties": event["properties"] | {"$geoip_disable": True},
                    "timestamp": iso_utc(event["occurred_at"]),
                }
                for event in batch
            ],
        )
    except (APIError, requests.RequestException) as error:
        raise NotDelivered(f"{len(batch)} events: {type(error).__name__}") from None
