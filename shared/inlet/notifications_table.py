"""The `notifications` table: what the owner's backend is told by webhook, and the pauses its endpoint asks for.

A notification is written in the statement of the change it reports. Its id follows from type, subject and revision. It
holds ids and states, nothing personal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inlet import database

LEASE_SECONDS = 60
KEEP_DAYS = 30

# Goes into a statement's WITH list, as that of the outbox does. `{changed}` names the CTE of the change, which returns
# `id`, `status` and `revision`; `{added}` is a jsonb expression over it. All are constants of the tables' modules.
_RECORD = """
notified AS (
    INSERT INTO notifications (id, type, data)
    SELECT md5(concat_ws(' ', '{type}', id, revision))::uuid, '{type}',
           jsonb_build_object('id', id, 'status', {status}, 'revision', revision) || {added}
      FROM {changed}
    ON CONFLICT (id) DO NOTHING
)"""

_LEASE = """
UPDATE notifications SET next_attempt_at = now() + make_interval(secs => %(lease)s), attempts = attempts + 1
 WHERE id = ANY(ARRAY(SELECT id FROM notifications
                       WHERE next_attempt_at <= now()
                         AND NOT EXISTS (SELECT FROM webhook_pauses
                                          WHERE endpoint_hash = %(endpoint)s AND until > now())
                       ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
RETURNING id::text, type, data, occurred_at, attempts
"""

_DELIVERED = """
UPDATE notifications SET delivered_at = now(), next_attempt_at = NULL, last_answer = %(answer)s WHERE id = %(id)s
"""

# One that another run has leased since is left to it.
_FAILED = """
UPDATE notifications
   SET next_attempt_at = now() + make_interval(secs => %(seconds)s), last_answer = %(answer)s,
       dead_at = CASE WHEN %(seconds)s::double precision IS NULL THEN now() END
 WHERE id = %(id)s AND attempts = %(attempts)s AND delivered_at IS NULL
"""

_PUT_BACK = """
UPDATE notifications SET next_attempt_at = now(), attempts = attempts - 1, last_answer = %(answer)s
 WHERE id = %(id)s AND attempts = %(attempts)s AND delivered_at IS NULL
"""

_PAUSE = """
INSERT INTO webhook_pauses (endpoint_hash, until)
VALUES (%(endpoint)s, coalesce(now() + make_interval(secs => %(seconds)s), 'infinity'))
ON CONFLICT (endpoint_hash) DO UPDATE SET until = greatest(webhook_pauses.until, excluded.until)
"""

_RESUME = "DELETE FROM webhook_pauses"

_WAITING = """
SELECT extract(epoch FROM min(next_attempt_at) - now())::double precision AS seconds,
       EXISTS (SELECT FROM webhook_pauses WHERE endpoint_hash = %(endpoint)s AND until = 'infinity') AS gone,
       EXISTS (SELECT FROM webhook_pauses WHERE endpoint_hash = %(endpoint)s AND until > now()) AS paused
  FROM notifications WHERE next_attempt_at IS NOT NULL
"""

_DROP = """
UPDATE notifications SET next_attempt_at = NULL
 WHERE id = ANY(ARRAY(SELECT id FROM notifications WHERE next_attempt_at <= now()
                       ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""

_REPLAY = """
UPDATE notifications SET next_attempt_at = now(), attempts = 0, delivered_at = NULL, dead_at = NULL
 WHERE occurred_at >= %(since)s OR id = ANY(%(ids)s::uuid[])
"""

_PURGE = """
DELETE FROM notifications WHERE id = ANY(ARRAY(
    SELECT id FROM notifications WHERE occurred_at < now() - make_interval(days => %(days)s)
     LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification that this run is to deliver. `attempts` counts this one."""

    id: str
    type: str
    data: dict[str, Any]
    occurred_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """The seconds until the next attempt of any notification, None if none waits; whether its endpoint is paused.

    `gone`: it is paused until somebody resumes it.
    """

    seconds: float | None
    paused: bool
    gone: bool


def record(type: str, changed: str, *, status: str = "status", added: str = "'{}'::jsonb") -> str:  # noqa: A002
    """Return the CTE `notified`, which records a notification of this type for every row of the CTE `changed`.

    `status` is an SQL expression, by default the row's own.
    """
    named = _RECORD.replace("{type}", type).replace("{changed}", changed)
    return named.replace("{status}", status).replace("{added}", added)


def lease(endpoint: str, limit: int) -> list[Notification]:
    """Lease up to `limit` notifications that are due for a minute; none while the endpoint is paused.

    `endpoint` is the hash of its address. What a dead deliverer leased comes again.
    """
    rows = database.fetch_all(_LEASE, {"endpoint": endpoint, "limit": limit, "lease": LEASE_SECONDS})
    return [Notification(**row) for row in rows]


def delivered(notification: Notification, answer: str) -> None:
    """Record that the endpoint has taken it."""
    database.execute(_DELIVERED, {"id": notification.id, "answer": answer})


def failed(notification: Notification, answer: str, seconds: float | None) -> None:
    """Record a failed attempt. The next one is in `seconds`; None: there is none, and the notification is dead."""
    parameters = {"id": notification.id, "attempts": notification.attempts, "answer": answer, "seconds": seconds}
    database.execute(_FAILED, parameters)


def put_back(notification: Notification, answer: str) -> None:
    """Let it wait as if this attempt had not been."""
    parameters = {"id": notification.id, "attempts": notification.attempts, "answer": answer}
    database.execute(_PUT_BACK, parameters)


def pause(endpoint: str, seconds: float | None) -> None:
    """Deliver nothing to the endpoint for so long; None: until `resume`."""
    database.execute(_PAUSE, {"endpoint": endpoint, "seconds": seconds})


def resume() -> None:
    """End every pause."""
    database.execute(_RESUME, {})


def waiting(endpoint: str) -> Waiting:
    """Return how long it is until the next attempt, and whether the endpoint is paused."""
    row = database.fetch_one(_WAITING, {"endpoint": endpoint})
    assert row is not None  # noqa: S101 - an aggregate always has its row
    return Waiting(**row)


def drop(limit: int) -> int:
    """Let up to `limit` notifications rest that nobody wants; a replay brings them back. Return their number."""
    return database.execute(_DROP, {"limit": limit})


def replay(since: datetime | None, ids: Sequence[str]) -> int:
    """Make those since a moment, and those of these ids, due again, delivered or not. Return their number."""
    return database.execute(_REPLAY, {"since": since, "ids": list(ids)})


def purge(limit: int) -> int:
    """Delete up to `limit` notifications of a month ago, delivered or not. Return the number deleted."""
    return database.execute(_PURGE, {"limit": limit, "days": KEEP_DAYS})
