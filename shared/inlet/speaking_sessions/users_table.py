"""The `users` table: everyone who has ever recorded something.

A forgotten user's row has no `external_id` any more: nobody finds its recordings. It goes when the last of them has.
"""

from typing import Any

from inlet import database
from inlet.authentication import User

CALL_MINUTES = 1
"""How long a call lives at most that has read a user's id."""

_ENSURE = """
INSERT INTO users AS known (external_id, email, display_name) VALUES (%(sub)s, %(email)s, %(name)s)
ON CONFLICT (external_id) DO UPDATE
   SET email = coalesce(excluded.email, known.email),
       display_name = coalesce(excluded.display_name, known.display_name),
       updated_at = now()
RETURNING id::text
"""

_EXPORTED = """
SELECT external_id AS sub, email, display_name, created_at, updated_at FROM users WHERE external_id = %(sub)s
"""

# A recording that was about to be entered when its user was forgotten has been by then.
_DROP_FORGOTTEN = """
DELETE FROM users WHERE id = ANY(ARRAY(
    SELECT id FROM users
     WHERE external_id IS NULL AND updated_at < now() - make_interval(mins => %(mins)s)
       AND NOT EXISTS (SELECT FROM speaking_sessions WHERE user_id = users.id)
     ORDER BY updated_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""

FORGOTTEN = """
forgotten_users AS (
    UPDATE users SET external_id = NULL, email = NULL, display_name = NULL, updated_at = now()
     WHERE external_id = %(sub)s
    RETURNING id
)"""
"""Goes into the statement that forgets the user `%(sub)s`: nobody finds the recordings from then on."""


def ensure(user: User) -> str:
    """Return the user's id. Make the row on first use, and keep what the identity provider tells now. Race-free."""
    row = database.fetch_one(_ENSURE, {"sub": user.sub, "email": user.email, "name": user.name})
    assert row is not None  # noqa: S101 - an upsert that always writes always returns its row
    user_id: str = row["id"]
    return user_id


def exported(sub: str) -> dict[str, Any] | None:
    """Return the user's row as an export tells it, or None of a user who never recorded anything."""
    return database.fetch_one(_EXPORTED, {"sub": sub})


def drop_forgotten(limit: int) -> int:
    """Drop up to `limit` forgotten users who have no recording any more. Return the number dropped."""
    return database.execute(_DROP_FORGOTTEN, {"limit": limit, "mins": CALL_MINUTES})
