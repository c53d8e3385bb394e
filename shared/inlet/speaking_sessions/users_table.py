"""The `users` table: everyone who has ever recorded something."""

from inlet import database
from inlet.authentication import User

_ENSURE = """
INSERT INTO users AS known (external_id, email, display_name) VALUES (%(sub)s, %(email)s, %(name)s)
ON CONFLICT (external_id) DO UPDATE
   SET email = coalesce(excluded.email, known.email),
       display_name = coalesce(excluded.display_name, known.display_name),
       updated_at = now()
RETURNING id::text
"""


def ensure(user: User) -> str:
    """Return the user's id. Make the row on first use, and keep what the identity provider tells now. Race-free."""
    row = database.fetch_one(_ENSURE, {"sub": user.sub, "email": user.email, "name": user.name})
    assert row is not None  # noqa: S101 - an upsert that always writes always returns its row
    user_id: str = row["id"]
    return user_id
