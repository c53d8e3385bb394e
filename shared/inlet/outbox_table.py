"""The `outbox_events` table. An event is written in the statement of the change it reports; a schedule delivers it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypedDict

from inlet import database
from inlet.analytics import Event

LEASE_SECONDS = 60
KEEP_SENT_DAYS = 7

# Goes into a statement's WITH list. `{changed}` names the CTE of the change: no row there, no event. `{added}` is a
# jsonb expression over that CTE for what only the database knows; both are constants of the tables' modules, never
# data.
_RECORD = """
recorded AS (
    INSERT INTO outbox_events (uuid, name, distinct_id, properties)
    SELECT event.uuid, event.name, event.distinct_id, event.properties || {added}
      FROM {changed}, jsonb_to_recordset(%(events)s::jsonb)
           AS event (uuid uuid, name text, distinct_id text, properties jsonb)
    ON CONFLICT (uuid) DO NOTHING
)"""

# The same for a change of many rows: each row of `{changed}` brings the event whose property `{named_by}` is its id.
_RECORD_EACH = """
recorded AS (
    INSERT INTO outbox_events (uuid, name, distinct_id, properties)
    SELECT event.uuid, event.name, event.distinct_id, event.properties
      FROM {changed} JOIN jsonb_to_recordset(%(events)s::jsonb)
           AS event (uuid uuid, name text, distinct_id text, properties jsonb)
        ON event.properties ->> '{named_by}' = {changed}.id::text
    ON CONFLICT (uuid) DO NOTHING
)"""


# The same for rows of `{changed}` with `id`, `attempt` and `user_id`: told once an attempt, about the user's hash.
_RECORD_OF_USER = """
recorded AS (
    INSERT INTO outbox_events (uuid, name, distinct_id, properties)
    SELECT md5(concat_ws(' ', '{name}', {changed}.id, attempt))::uuid, '{name}',
           left(encode(sha256(convert_to('inlet user ' || external_id, 'UTF8')), 'hex'), 32),
           jsonb_build_object('session_id', {changed}.id, 'attempt', attempt)
      FROM {changed} JOIN users ON users.id = {changed}.user_id WHERE external_id IS NOT NULL
    ON CONFLICT (uuid) DO NOTHING
)"""


class OutboxEvent(TypedDict):
    """An undelivered event."""

    uuid: str
    name: str
    distinct_id: str
    properties: dict[str, Any]
    occurred_at: datetime


def record(changed: str, added: str = "'{}'::jsonb") -> str:
    """Return the CTE `recorded`, which stores `%(events)s` if the CTE `changed` has its one row."""
    return _RECORD.replace("{changed}", changed).replace("{added}", added)


def record_each(changed: str, *, named_by: str = "session_id") -> str:
    """Return the CTE `recorded`: it stores those of `%(events)s` whose property `named_by` is an `id` of `changed`."""
    return _RECORD_EACH.replace("{changed}", changed).replace("{named_by}", named_by)


def record_of_user(name: str, changed: str) -> str:
    """Return the CTE `recorded`, which stores an event of this name for every row of the CTE `changed`."""
    return _RECORD_OF_USER.replace("{name}", name).replace("{changed}", changed)


def parameter(*events: Event) -> str:
    """Return the value of `%(events)s`."""
    return json.dumps([asdict(event) for event in events])


_LEASE = """
WITH next AS (
    SELECT attempts FROM outbox_events
     WHERE sent_at IS NULL AND (leased_until IS NULL OR leased_until < now())
     ORDER BY attempts, occurred_at LIMIT 1
)
UPDATE outbox_events
   SET leased_until = now() + make_interval(secs => %(lease)s), attempts = attempts + 1
 WHERE uuid = ANY(ARRAY(
           SELECT uuid FROM outbox_events
            WHERE sent_at IS NULL AND (leased_until IS NULL OR leased_until < now())
              AND attempts = (SELECT attempts FROM next)
            ORDER BY occurred_at LIMIT (SELECT greatest(1, %(limit)s >> least(attempts, 30)) FROM next)
              FOR UPDATE SKIP LOCKED))
RETURNING uuid::text, name, distinct_id, properties, occurred_at
"""

_SENT = "UPDATE outbox_events SET sent_at = now() WHERE uuid = ANY(%(uuids)s::uuid[])"

_PURGE = """
DELETE FROM outbox_events WHERE uuid = ANY(ARRAY(
    SELECT uuid FROM outbox_events WHERE sent_at < now() - make_interval(days => %(days)s)
     LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""


def lease(limit: int) -> Sequence[OutboxEvent]:
    """Lease up to `limit` undelivered events for a minute, oldest first. A dead deliverer's lease expires.

    Events tried least often come first, and half as many at each further try: an event that is always refused ends up
    alone, behind everything else.
    """
    return database.fetch_all(_LEASE, {"limit": limit, "lease": LEASE_SECONDS})  # type: ignore[return-value]


def mark_sent(uuids: Iterable[str]) -> None:
    """Record that PostHog has acknowledged these."""
    database.execute(_SENT, {"uuids": list(uuids)})


def purge(limit: int) -> int:
    """Delete up to `limit` events delivered a week ago. Return the number deleted."""
    return database.execute(_PURGE, {"limit": limit, "days": KEEP_SENT_DAYS})
