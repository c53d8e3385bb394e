"""The `speaking_sessions` table, with the transcripts and insights of its recordings.

A change is one statement, a read one round trip. Every statement starts from the caller's own row in `users`: another
user's session looks like a missing one.
"""

from datetime import datetime
from typing import Any

from inlet import database, keys, notifications_table, object_deletions_table
from inlet.authentication import User
from inlet.errors import SpeakingSessionNotFound, UserNotFound
from inlet.paging import Page
from inlet.settings import settings
from inlet.speaking_sessions.requests import About
from inlet.speaking_sessions.rows import (
    STILL_WRITING_SECONDS,
    SpeakingSession,
    SpeakingSessionDetail,
    SpeakingSessionPage,
)

ABANDONED_HOURS = 24
"""How long a session may stay without its recording before the sweeper drops it."""

LATE_PUT_HOURS = 1
"""How long after its session's creation an object may still appear: a URL valid 15 minutes, and a slow PUT."""

_COLUMNS = """
       session.id::text, session.status, session.duration_secs, session.language, session.topic,
       session.audio_key AS key, session.content_type, session.size, session.created_at, session.updated_at,
       session.revision, session.delete_after AS deletes_at, session.stage, session.progress, session.attempt,
       session.final, session.error_message"""

_ABOUT = """
       session.metrics,
       (SELECT to_jsonb(transcripts) FROM transcripts WHERE session_id = session.id) AS transcript,
       (SELECT coalesce(jsonb_agg(to_jsonb(insights) ORDER BY
                   array_position(ARRAY['critical', 'high', 'medium', 'low'], severity), created_at, id), '[]')
          FROM insights WHERE session_id = session.id) AS insights"""

# All that the sessions of the CTE `deleted` may have in the bucket. A stage that was running may still write.
_OBJECTS = f"""
objects AS (
    SELECT audio_key AS key, created_at + make_interval(hours => %(late_put_hours)s) AS writable_until FROM deleted
    UNION ALL
    SELECT replace(work, '*', id::text), now() + make_interval(secs => {STILL_WRITING_SECONDS})
      FROM deleted, unnest(%(work)s::text[]) AS work WHERE attempt > 0
)"""
_OF_OBJECTS = {"late_put_hours": LATE_PUT_HOURS, "work": keys.of_analysis("*")}

_CREATE = f"""
INSERT INTO speaking_sessions AS session (id, user_id, duration_secs, language, topic, audio_key, content_type, size)
VALUES (%(id)s, %(user_id)s, %(duration_secs)s, %(language)s, %(topic)s, %(key)s, %(content_type)s, %(size)s)
ON CONFLICT (id) DO UPDATE SET updated_at = session.updated_at -- run again after its answer was lost: the same row
RETURNING {_COLUMNS}
"""

_UPLOADED = f"""
UPDATE speaking_sessions AS session
   SET status = 'UPLOADED', content_type = %(content_type)s, updated_at = now(), attempt = %(attempt)s,
       workflow_run_id = %(execution)s,
       delete_after = now() + make_interval(days => nullif(%(retention_days)s, 0))
  FROM users
 WHERE session.id = %(id)s AND session.status = 'CREATED'
   AND users.id = session.user_id AND users.external_id = %(sub)s
RETURNING {_COLUMNS}
"""

_GET = f"""
SELECT {_COLUMNS}
  FROM users LEFT JOIN speaking_sessions AS session ON session.user_id = users.id AND session.id = %(id)s
 WHERE users.external_id = %(sub)s
"""

_READ = f"""
SELECT {_COLUMNS}, {_ABOUT}
  FROM users LEFT JOIN speaking_sessions AS session ON session.user_id = users.id AND session.id = %(id)s
 WHERE users.external_id = %(sub)s
"""

# Counting and turning pages read the index alone; rows are fetched for the one page. One row comes even for an empty
# page, since it carries the total.
_PAGE = f"""
WITH owner AS (
    SELECT id FROM users WHERE external_id = %(sub)s
), page AS (
    SELECT id FROM speaking_sessions WHERE user_id = (SELECT id FROM owner)
     ORDER BY created_at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s
)
SELECT counted.total, {_COLUMNS}
  FROM (SELECT count(*) AS total FROM speaking_sessions WHERE user_id = (SELECT id FROM owner)) AS counted
  LEFT JOIN (page JOIN speaking_sessions AS session USING (id)) ON true
 ORDER BY session.created_at DESC, session.id DESC
"""

_DELETE = f"""
WITH owner AS (
    SELECT id FROM users WHERE external_id = %(sub)s
), deleted AS (
    DELETE FROM speaking_sessions AS session USING owner
     WHERE session.id = %(id)s AND session.user_id = owner.id
    RETURNING session.id, session.revision + 1 AS revision, session.audio_key, session.created_at, session.attempt
), {_OBJECTS}, {object_deletions_table.noted("objects")}
, {notifications_table.record("speaking_session.deleted", "deleted", status="'deleted'")}
SELECT (SELECT audio_key FROM deleted) AS key FROM owner
"""

_DROP_ABANDONED = """
WITH dropped AS (
    DELETE FROM speaking_sessions WHERE id = ANY(ARRAY(
        SELECT id FROM speaking_sessions
         WHERE status = 'CREATED' AND created_at < now() - make_interval(hours => %(hours)s)
         ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING audio_key
)
INSERT INTO object_deletions (key) SELECT audio_key FROM dropped ON CONFLICT (key) DO NOTHING
"""

# A forgotten user's go without a date of their own: one may begin while its user is forgotten.
_DELETE_DUE = f"""
WITH due AS (
    SELECT id FROM speaking_sessions WHERE id = ANY(ARRAY(
            SELECT id FROM speaking_sessions WHERE delete_after <= now() ORDER BY delete_after LIMIT %(limit)s)
         || ARRAY(
            SELECT session.id FROM users JOIN speaking_sessions AS session ON session.user_id = users.id
             WHERE users.external_id IS NULL LIMIT %(limit)s))
       FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM speaking_sessions AS session USING due WHERE session.id = due.id
    RETURNING session.id, session.revision + 1 AS revision, session.audio_key, session.created_at, session.attempt
), {_OBJECTS}, {object_deletions_table.noted("objects")}
, {notifications_table.record("speaking_session.deleted", "deleted", status="'deleted'")}
SELECT id FROM deleted
"""

FORGOTTEN = """
forgotten_speaking_sessions AS (
    UPDATE speaking_sessions AS session SET delete_after = now(), updated_at = now()
      FROM users WHERE users.id = session.user_id AND users.external_id = %(sub)s
    RETURNING session.id, session.status, session.revision
)"""
"""Goes into the statement that forgets the user `%(sub)s`: has the sweeper delete the recordings."""

_EXPORTED = f"""
SELECT {_COLUMNS}, {_ABOUT}
  FROM users JOIN speaking_sessions AS session ON session.user_id = users.id
 WHERE users.external_id = %(sub)s AND (session.created_at, session.id) < (%(before)s, %(before_id)s::uuid)
 ORDER BY session.created_at DESC, session.id DESC LIMIT %(limit)s
"""


def create(session_id: str, user_id: str, *, about: About, key: str, content_type: str, size: int) -> SpeakingSession:
    """Create a session in status `CREATED`, which claims no recording yet. `size` is in bytes."""
    session = database.fetch_one_as(
        SpeakingSession,
        _CREATE,
        {
            "id": session_id,
            "user_id": user_id,
            "duration_secs": about.duration_secs,
            "language": about.language,
            "topic": about.topic,
            "key": key,
            "content_type": content_type,
            "size": size,
        },
    )
    assert session is not None  # noqa: S101 - an upsert that always writes always returns its row
    return session


def uploaded(user: User, session_id: str, content_type: str, execution: str | None) -> SpeakingSession:
    """Record that the recording is in the bucket, its type by its bytes, and the execution that will analyse it if any.

    A session further on stays as it is. Raises `UserNotFound` or `SpeakingSessionNotFound` where it is gone.
    """
    parameters = {
        "id": session_id,
        "sub": user.sub,
        "content_type": content_type,
        "attempt": 0 if execution is None else 1,
        "execution": execution,
        "retention_days": settings.recording_retention_days,
    }
    return database.fetch_one_as(SpeakingSession, _UPLOADED, parameters) or get(user, session_id)


def get(user: User, session_id: str | None) -> SpeakingSession:
    """Return the user's session. Raise `UserNotFound` or `SpeakingSessionNotFound`. None matches no session."""
    return SpeakingSession(**_found(database.fetch_one(_GET, {"id": session_id, "sub": user.sub})))


def read(user: User, session_id: str | None) -> SpeakingSessionDetail:
    """Return the same as `get`, with the transcript and the insights, most severe first."""
    return SpeakingSessionDetail(**_found(database.fetch_one(_READ, {"id": session_id, "sub": user.sub})))


def page(user: User, wanted: Page) -> SpeakingSessionPage:
    """Return a page of the user's sessions, newest first, and their number in all. An unknown user has none."""
    rows = database.fetch_all(_PAGE, {"sub": user.sub, "limit": wanted.limit, "offset": wanted.offset})
    total = rows[0]["total"]
    for row in rows:
        del row["total"]
    return SpeakingSessionPage(total, [SpeakingSession(**row) for row in rows if row["id"] is not None])


def delete(user: User, session_id: str | None) -> str:
    """Delete the session and note its object for deletion. Return the object's key.

    Raises `UserNotFound` or `SpeakingSessionNotFound`. Transcript and insights go with the session.
    """
    row = database.fetch_one(_DELETE, {"id": session_id, "sub": user.sub, **_OF_OBJECTS})
    if row is None:
        raise UserNotFound
    if row["key"] is None:
        raise SpeakingSessionNotFound
    key: str = row["key"]
    return key


def drop_abandoned(limit: int) -> int:
    """Drop up to `limit` sessions whose recording never came, and note their objects for deletion."""
    return database.execute(_DROP_ABANDONED, {"limit": limit, "hours": ABANDONED_HOURS})


def delete_due(limit: int) -> int:
    """Delete sessions that are due, and those of forgotten users, up to `limit` of each. Return how many.

    Skips those another transaction has locked. Their objects are noted for deletion.
    """
    return database.execute(_DELETE_DUE, {"limit": limit, **_OF_OBJECTS})


def exported(sub: str, before: datetime | str, before_id: str, limit: int) -> list[SpeakingSessionDetail]:
    """Return up to `limit` of the user's sessions, newest first, from those before this one on."""
    parameters = {"sub": sub, "before": before, "before_id": before_id, "limit": limit}
    return [SpeakingSessionDetail(**row) for row in database.fetch_all(_EXPORTED, parameters)]


def _found(row: dict[str, Any] | None) -> dict[str, Any]:
    if row is None:
        raise UserNotFound
    if row["id"] is None:
        raise SpeakingSessionNotFound
    return row
