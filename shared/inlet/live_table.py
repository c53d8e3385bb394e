"""The tables `live_tickets` and `live_connections`: who may watch a topic, and who does.

A topic is `image_job:ID`, `upload_session:ID` or `speaking_session:ID`. A connection's row outlives it when API Gateway
does not say that it ended; a push that is answered 410 drops it, or the sweeper does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from inlet import database
from inlet.database import Watched

TICKET_SECONDS = 60
CONNECTION_SECONDS = 2 * 3600 + 600
"""API Gateway ends a connection after two hours."""
HANDSHAKE_SECONDS = 10
"""From `$connect`'s answer until the connection stands, at the very most. Until then a push is answered 410, too."""
CONNECTIONS_PER_TOPIC = 10
REPORT_SECONDS = 1
"""How often one viewer's report of bytes sent is relayed, at most."""

# Goes into a statement's WITH list. `{created}` names the CTE of what was created, `{topic}` is an expression over it.
_TICKET = """
ticket AS (
    INSERT INTO live_tickets (hash, topic, user_id, expires_at)
    SELECT %(ticket_hash)s, {topic}, user_id, now() + make_interval(secs => {seconds})
      FROM {created} WHERE %(ticket_hash)s::text IS NOT NULL
    ON CONFLICT (hash) DO NOTHING -- run again after its answer was lost
)"""

_ISSUE = f"""
INSERT INTO live_tickets (hash, topic, user_id, expires_at)
VALUES (%(ticket_hash)s, %(topic)s, %(user_id)s, now() + make_interval(secs => {TICKET_SECONDS}))
ON CONFLICT (hash) DO UPDATE SET expires_at = live_tickets.expires_at -- run again after its answer was lost
RETURNING expires_at
"""

# Locked first, so that the second of two that use one ticket waits, and then finds none.
_HOLD_TICKET = "SELECT hash FROM live_tickets WHERE hash = %(ticket_hash)s AND expires_at > now() FOR UPDATE"

_HOLD_TOPIC = "SELECT pg_advisory_xact_lock(hashtextextended(topic, 0)) FROM live_tickets WHERE hash = ANY(%(ids)s)"

_CONNECT = f"""
WITH ticket AS (
    DELETE FROM live_tickets WHERE hash = ANY(%(ids)s) RETURNING topic, user_id
), connected AS (
    INSERT INTO live_connections (connection_id, topic, user_id, expires_at)
    SELECT %(connection_id)s, topic, user_id, now() + make_interval(secs => {CONNECTION_SECONDS}) FROM ticket
     WHERE (SELECT count(*) FROM live_connections AS other
             WHERE other.topic = ticket.topic AND other.expires_at > now()) < {CONNECTIONS_PER_TOPIC}
    RETURNING topic
)
SELECT EXISTS (SELECT FROM connected) AS connected
"""

_DROP = "DELETE FROM live_connections WHERE connection_id = ANY(%(connections)s)"

_DROP_GONE = f"""
DELETE FROM live_connections
 WHERE connection_id = ANY(%(connections)s)
   AND expires_at < now() + make_interval(secs => {CONNECTION_SECONDS - HANDSHAKE_SECONDS})
"""

_CONNECTION = """
SELECT topic, user_id FROM live_connections WHERE connection_id = %(connection_id)s AND expires_at > now()
"""

_REPORT = f"""
WITH reported AS (
    UPDATE live_connections SET reported_at = now()
     WHERE connection_id = %(connection_id)s AND expires_at > now() AND starts_with(topic, 'upload_session:')
       AND (reported_at IS NULL OR reported_at <= now() - make_interval(secs => {REPORT_SECONDS}))
    RETURNING topic
)
SELECT topic, min(user_id) AS user_id, array_agg(connection_id) AS connections
  FROM live_connections JOIN reported USING (topic)
 WHERE connection_id <> %(connection_id)s AND expires_at > now()
 GROUP BY topic
"""

_SWEEP_TICKETS = """
DELETE FROM live_tickets WHERE hash = ANY(ARRAY(
    SELECT hash FROM live_tickets WHERE expires_at <= now() LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""

_SWEEP_CONNECTIONS = """
DELETE FROM live_connections WHERE connection_id = ANY(ARRAY(
    SELECT connection_id FROM live_connections WHERE expires_at <= now() LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""

FORGOTTEN = """
forgotten_tickets AS (
    DELETE FROM live_tickets WHERE user_id = %(sub)s
), forgotten_connections AS (
    DELETE FROM live_connections WHERE user_id = %(sub)s
)"""
"""Goes into the statement that forgets the user `%(sub)s`."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """What a connection watches, and the user who does: None for an image job."""

    topic: str
    user_id: str | None


def ticket(created: str, *, topic: str) -> str:
    """Return the CTE `ticket`, which records a ticket for each row of the CTE `created`, unless its hash is NULL."""
    return _TICKET.format(created=created, topic=topic, seconds=TICKET_SECONDS)


def issue(ticket_hash: str, topic: str, user_id: str | None) -> datetime:
    """Record a ticket for a topic. Return when it expires."""
    row = database.fetch_one(_ISSUE, {"ticket_hash": ticket_hash, "topic": topic, "user_id": user_id})
    assert row is not None  # noqa: S101 - inserted, or there already
    expires_at: datetime = row["expires_at"]
    return expires_at


def connect(ticket_hash: str, connection_id: str) -> bool | None:
    """Use up the ticket, and let the connection watch its topic.

    Returns None where there is no such ticket, and False where ten watch already.
    """
    parameters = {"ticket_hash": ticket_hash, "connection_id": connection_id}
    row = database.fetch_one_holding(_HOLD_TICKET, [_HOLD_TOPIC], _CONNECT, parameters)
    return None if row is None else bool(row["connected"])


def drop(connections: Sequence[str]) -> None:
    """Forget connections that have ended."""
    database.execute(_DROP, {"connections": list(connections)})


def drop_gone(connections: Sequence[str]) -> None:
    """Forget connections that cannot be posted to, but for those that may only be about to stand."""
    database.execute(_DROP_GONE, {"connections": list(connections)})


def viewer(connection_id: str) -> Viewer | None:
    """Return what the connection watches; None for one that is not known."""
    return database.fetch_one_as(Viewer, _CONNECTION, {"connection_id": connection_id})


def report(connection_id: str) -> Watched | None:
    """Note that this viewer of an upload session reports bytes sent. Return the others; None if it is too soon."""
    return database.fetch_one_as(Watched, _REPORT, {"connection_id": connection_id})


def sweep_tickets(limit: int) -> int:
    """Delete up to `limit` tickets that have expired. Return their number."""
    return database.execute(_SWEEP_TICKETS, {"limit": limit})


def sweep_connections(limit: int) -> int:
    """Delete up to `limit` connections that have expired. Return their number."""
    return database.execute(_SWEEP_CONNECTIONS, {"limit": limit})
