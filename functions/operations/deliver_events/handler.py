"""Every minute: deliver the outbox to PostHog, at least once; a deterministic UUID lets PostHog drop a repeat."""

from collections.abc import Sequence
from typing import Any

import requests
from posthog.request import APIError, batch_post

from inlet import deployment_table, outbox_table
from inlet.logs import logger
from inlet.outbox_table import OutboxEvent
from inlet.settings import settings
from inlet.times import iso_utc

BATCH = 100
TIMEOUT_SECONDS = 5


def lambda_handler(_event: dict[str, Any], _context: Any) -> dict[str, int]:
    """Send events until none is left or PostHog refuses a batch. The rest comes with a later run."""
    deployment_table.refuse_foreign()
    sent = 0
    while batch := outbox_table.lease(BATCH):
        if not _delivered(batch):
            break
        outbox_table.mark_sent(event["uuid"] for event in batch)
        sent += len(batch)
    logger.info("delivered", extra={"events": sent})
    return {"sent": sent}


def _delivered(batch: Sequence[OutboxEvent]) -> bool:
    """Tell whether PostHog acknowledged the batch. Without a key, drop it.

    `posthog.capture` would queue and swallow errors, but a row may be marked sent only when it was.
    """
    if settings.posthog_api_key is None:
        return True
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
        logger.warning("events not delivered", extra={"events": len(batch), "reason": type(error).__name__})
        return False
    return True
