"""Upload sessions: the contract's two, one expired, one of somebody else."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

DEV_USER = "dev-user-00000000-0000-0000-0000-000000000001"
OTHER_USER = "other-user-99999999-9999-9999-9999-999999999999"
EXPIRED_SESSION = "eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee"
FOREIGN_SESSION = "dddddddd-dddd-dddd-dddd-dddddddddddd"

_SESSION = """
INSERT INTO upload_sessions (id, user_id, status, part_size_bytes, created_at, ended_at, expires_at)
VALUES (%(id)s, %(user)s, %(status)s, 5242880, now() - interval '1 hour',
        CASE WHEN %(status)s = 'expired' THEN now() + %(lifetime)s::interval END, now() + %(lifetime)s::interval)
ON CONFLICT (id) DO UPDATE
   SET user_id = excluded.user_id, status = excluded.status, created_at = excluded.created_at,
       ended_at = excluded.ended_at, expires_at = excluded.expires_at, lock_token = NULL, locked_until = NULL
"""


def seed(connection: "psycopg.Connection[Any]") -> None:
    """Put both back as they were."""
    for session_id, user, status, lifetime in (
        (EXPIRED_SESSION, DEV_USER, "expired", "-30 minutes"),
        (FOREIGN_SESSION, OTHER_USER, "active", "1 day"),
    ):
        connection.execute(_SESSION, {"id": session_id, "user": user, "status": status, "lifetime": lifetime})
