"""The `object_deletions` table: objects to delete.

The statement that drops an object's row notes its key here, and the sweeper deletes it. So no object is orphaned.
"""

from collections.abc import Sequence

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
    UPDATE object_deletions SET not_before = writable_until, due_since = writable_until, writable_until = NULL
     WHERE key = ANY(%(keys)s) AND writable_until > now()
    RETURNING key
)
DELETE FROM object_deletions WHERE key = ANY(%(keys)s) AND key NOT IN (SELECT key FROM kept)
"""

_NOTE = """
INSERT INTO object_deletions (key) VALUES (%(key)s)
ON CONFLICT (key) DO UPDATE SET not_before = now(), due_since = least(object_deletions.due_since, now())
"""


# Goes into a statement's WITH list. `{objects}` names the CTE with `key` and `writable_until`. A key that is noted
# already is looked at again, and until the later of both times.
_NOTED = """
noted AS (
    INSERT INTO object_deletions AS known (key, writable_until) SELECT key, writable_until FROM {objects}
    ON CONFLICT (key) DO UPDATE
       SET not_before = now(), due_since = least(known.due_since, now()),
           writable_until = greatest(known.writable_until, excluded.writable_until)
)"""


def noted(objects: str) -> str:
    """Return the CTE `noted`, which notes the objects of the CTE `objects`: `key` and `writable_until` (or null)."""
    return _NOTED.replace("{objects}", objects)


def due(limit: int) -> list[str]:
    """Return up to `limit` keys to delete now. Each comes again in five minutes unless `done` is told."""
    return [row["key"] for row in database.fetch_all(_DUE, {"limit": limit, "retry": RETRY_SECONDS})]


def done(keys: Sequence[str]) -> None:
    """Record that objects are deleted. Where a PUT signed earlier could still land, the key is due once more after."""
    database.execute(_DONE, {"keys": keys})


def note(key: str) -> None:
    """Have the next sweep delete an object that came back, or came late."""
    database.execute(_NOTE, {"key": key})
