"""Objects to delete: noted in the statement that drops their row, deleted by the sweeper, so that none is orphaned."""

from inlet import database

RETRY_SECONDS = 300

_DUE = """
UPDATE object_deletions SET not_before = now() + make_interval(secs => %(retry)s)
 WHERE key = ANY(ARRAY(SELECT key FROM object_deletions WHERE not_before <= now()
                        ORDER BY not_before LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
RETURNING key
"""

_DONE = """
WITH kept AS (
    UPDATE object_deletions SET not_before = writable_until, writable_until = NULL
     WHERE key = %(key)s AND writable_until > now()
    RETURNING key
)
DELETE FROM object_deletions WHERE key = %(key)s AND NOT EXISTS (SELECT FROM kept)
"""

_NOTE = """
INSERT INTO object_deletions (key) VALUES (%(key)s) ON CONFLICT (key) DO UPDATE SET not_before = now()
"""


def due(limit: int) -> list[str]:
    """Up to `limit` keys to delete now; each comes again in five minutes unless `done` is told."""
    return [row["key"] for row in database.fetch_all(_DUE, {"limit": limit, "retry": RETRY_SECONDS})]


def done(key: str) -> None:
    """The bucket has deleted it. Where a PUT signed earlier could still land, the key comes once more after that."""
    database.execute(_DONE, {"key": key})


def note(key: str) -> None:
    """An object came back, or came late: delete it with the next sweep."""
    database.execute(_NOTE, {"key": key})
