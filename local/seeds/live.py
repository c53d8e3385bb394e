"""Live progress: the ticket that the fixture of `$connect` uses up, and the connection that says `hello` in another."""

import base64
import hashlib
from typing import TYPE_CHECKING

from inlet import identifiers
from local.seeds.upload_sessions import DEV_USER, OPEN_SESSION

if TYPE_CHECKING:
    import psycopg

TICKET = base64.urlsafe_b64encode(hashlib.sha256(b"seed ticket").digest()).rstrip(b"=").decode()
CONNECTED, WATCHING = "seedconnected=", "seedwatching="

_TICKET = """
INSERT INTO live_tickets (hash, topic, user_id, expires_at) VALUES (%s, %s, %s, now() + interval '1 day')
ON CONFLICT (hash) DO UPDATE SET expires_at = excluded.expires_at
"""

_CONNECTION = """
INSERT INTO live_connections (connection_id, topic, user_id, expires_at) VALUES (%s, %s, %s, now() + interval '1 day')
"""


def seed(connection: "psycopg.Connection") -> None:
    """Put ticket and connection there, for a session of the local user."""
    topic = f"upload_session:{OPEN_SESSION}"
    connection.execute("DELETE FROM live_connections WHERE connection_id = ANY(%s)", ([CONNECTED, WATCHING],))
    connection.execute(_TICKET, (identifiers.token_hash(TICKET), topic, DEV_USER))
    connection.execute(_CONNECTION, (WATCHING, topic, DEV_USER))
