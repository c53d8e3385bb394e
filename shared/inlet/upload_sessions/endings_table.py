"""How an upload session ends: aborted, expired or deleted; and the clean-up of what it left in the bucket.

A file that was looked into outlives its session while another session relies on it as its duplicate. That session, the
heir, gets the row; the key stays. So whoever ends sessions first locks them, their files and the heirs, in this order:
no session begins to rely on a file that is about to go, and the statement that follows sees all that do.

A deleted session stays as a tombstone, which names neither a user nor a file, while a call or a PUT that was under way
may still leave something in the bucket. Other statements never find it.
"""

from dataclasses import dataclass
from typing import Any, LiteralString

from inlet import analytics, database, notifications_table, outbox_table
from inlet.errors import FinalizeInProgress, UploadSessionCompleted, UploadSessionNotFound
from inlet.identifiers import canonical_uuid
from inlet.settings import settings
from inlet.upload_sessions.rules import RULES
from inlet.upload_sessions.upload_sessions_table import FREE

PURGE_RETRY_SECONDS = 300

_LOCK_OWN = "SELECT id::text FROM upload_sessions WHERE id = %(id)s AND user_id = %(user_id)s FOR UPDATE"

_LOCK_FILES = """
SELECT FROM upload_session_files WHERE session_id = ANY(%(ids)s::uuid[]) AND verified_at IS NOT NULL
 ORDER BY id FOR UPDATE
"""

_LOCK_HEIRS = """
SELECT FROM upload_sessions WHERE id IN (
    SELECT declaration.session_id
      FROM upload_session_files AS file JOIN upload_session_declarations AS declaration ON duplicate_of = file.id
     WHERE file.session_id = ANY(%(ids)s::uuid[]) AND verified_at IS NOT NULL)
 ORDER BY id FOR UPDATE
"""

# Goes into the WITH list of a statement whose CTE `session` has the sessions that end.
_FILES_LEFT = """
heirs AS (
    SELECT DISTINCT ON (file.id) file.id AS file_id, heir.id AS session_id, declaration.position
      FROM session JOIN upload_session_files AS file ON file.session_id = session.id
      JOIN upload_session_declarations AS declaration ON declaration.duplicate_of = file.id
      JOIN upload_sessions AS heir ON heir.id = declaration.session_id
     WHERE file.verified_at IS NOT NULL AND heir.status IN ('active', 'finalizing', 'completed')
       AND heir.id <> ALL(%(ids)s::uuid[])
       AND NOT EXISTS (SELECT FROM upload_session_files AS own
                        WHERE own.session_id = heir.id AND own.position = declaration.position)
     ORDER BY file.id, heir.status = 'completed' DESC, heir.created_at, declaration.position
), inherited AS (
    UPDATE upload_session_files AS file SET session_id = heirs.session_id, position = heirs.position
      FROM heirs WHERE file.id = heirs.file_id
), changed AS (
    UPDATE upload_sessions SET updated_at = now() WHERE id IN (SELECT session_id FROM heirs)
), dropped AS (
    DELETE FROM upload_session_files AS file USING session
     WHERE file.session_id = session.id AND file.id NOT IN (SELECT file_id FROM heirs)
    RETURNING key, verified_at
), noted AS (
    INSERT INTO object_deletions (key) SELECT key FROM dropped WHERE verified_at IS NOT NULL -- may be an heir's
    ON CONFLICT (key) DO NOTHING
)"""

_KEPT = f"now() + make_interval(days => least({RULES.ended_days}, nullif(%(retention_days)s, 0)))"

_ABORT = f"""
WITH session AS (
    UPDATE upload_sessions AS session
       SET status = 'aborted', lock_token = NULL, locked_until = NULL, updated_at = now(), ended_at = now(),
           purge_after = now(), failure_reason = coalesce(failure_reason, 'aborted'), delete_after = {_KEPT}
     WHERE id = %(id)s AND user_id = %(user_id)s AND {FREE}
    RETURNING id, status, revision, failure_reason
), {_FILES_LEFT}
, {outbox_table.record("session", "jsonb_build_object('reason', failure_reason)")}
, {notifications_table.record("upload_session.deleted", "session", status="'deleted'")}
SELECT EXISTS (SELECT FROM session) AS ended, session.status
  FROM upload_sessions AS session WHERE id = %(id)s AND user_id = %(user_id)s
"""

_OVERDUE = f"""
SELECT id::text, user_id FROM upload_sessions AS session
 WHERE status IN ('active', 'finalizing') AND expires_at < now() AND {FREE}
 ORDER BY expires_at LIMIT %(limit)s
"""

_LOCK_OVERDUE = f"""
SELECT id::text FROM upload_sessions AS session
 WHERE id = ANY(%(overdue)s::uuid[]) AND status IN ('active', 'finalizing') AND expires_at < now() AND {FREE}
   FOR UPDATE SKIP LOCKED
"""

_EXPIRE = f"""
WITH session AS (
    UPDATE upload_sessions AS session
       SET status = 'expired', lock_token = NULL, locked_until = NULL, updated_at = now(), ended_at = now(),
           purge_after = now(), failure_reason = coalesce(failure_reason, 'expired'), delete_after = {_KEPT}
     WHERE id = ANY(%(ids)s::uuid[])
    RETURNING id, status, revision
), {_FILES_LEFT}
, {outbox_table.record_each("session")}
, {notifications_table.record("upload_session.expired", "session")}
SELECT count(*) FROM session
"""

# What ended long ago, and was looked after twice, has left nothing unknown in the bucket: its tombstone may go at once.
_UNSETTLED = "(ended_at IS NULL OR purge_after IS NOT NULL)"
_TOMBSTONE = f"""
       status = 'deleted', user_id = '', companion_token_hash = NULL, lock_token = NULL, locked_until = NULL,
       failure_reason = NULL, updated_at = now(),
       ended_at = CASE WHEN {_UNSETTLED} THEN now() ELSE ended_at END,
       purge_after = CASE WHEN {_UNSETTLED} THEN now() END"""

_DELETED = f"""
deleted AS (
    DELETE FROM upload_session_declarations AS declaration USING session WHERE declaration.session_id = session.id
), {_FILES_LEFT}
, {notifications_table.record("upload_session.deleted", "session")}"""

_DELETE = f"""
WITH session AS (
    UPDATE upload_sessions AS session SET {_TOMBSTONE}, delete_after = NULL
     WHERE id = %(id)s AND user_id = %(user_id)s
       AND (status IN ('completed', 'expired', 'aborted') OR {FREE})
    RETURNING id, status, revision
), {_DELETED}
SELECT EXISTS (SELECT FROM session) AS ended, session.status
  FROM upload_sessions AS session WHERE id = %(id)s AND user_id = %(user_id)s
"""

_LOCK_DUE = """
SELECT id::text FROM upload_sessions WHERE delete_after <= now()
 ORDER BY delete_after LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""

_DELETE_DUE = f"""
WITH session AS (
    UPDATE upload_sessions AS session SET {_TOMBSTONE}, delete_after = NULL WHERE id = ANY(%(ids)s::uuid[])
    RETURNING id, status, revision
), {_DELETED}
SELECT count(*) FROM session
"""

FORGOTTEN = f"""
forgotten_upload_sessions AS (
    UPDATE upload_sessions SET {_TOMBSTONE}, delete_after = now() WHERE user_id = %(sub)s RETURNING id, status, revision
)"""
"""Goes into the statement that forgets the user `%(sub)s`: nobody finds the sessions from then on, and they are due."""

_TO_PURGE = """
UPDATE upload_sessions SET purge_after = now() + make_interval(secs => %(retry)s)
 WHERE id = ANY(ARRAY(SELECT id FROM upload_sessions WHERE purge_after <= now()
                       ORDER BY purge_after LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
RETURNING id::text, status = 'completed' AS keeps_objects
"""

# A call or a PUT that was under way when the session ended may still leave something: there is a second look.
_PURGED = f"""
UPDATE upload_sessions
   SET companion_token_hash = CASE WHEN now() < ended_at + make_interval(secs => {RULES.companion_grace_seconds})
                                   THEN companion_token_hash END,
       purge_after = CASE WHEN now() < ended_at + make_interval(secs => {RULES.purge_grace_seconds})
                          THEN ended_at + make_interval(secs => {RULES.purge_grace_seconds}) END
 WHERE id = %(id)s AND status IN ('completed', 'expired', 'aborted', 'deleted')
"""

_DROP_TOMBSTONES = """
DELETE FROM upload_sessions WHERE id = ANY(ARRAY(
    SELECT id FROM upload_sessions WHERE status = 'deleted' AND purge_after IS NULL AND delete_after IS NULL
     ORDER BY ended_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """An ended session whose leftovers in the bucket are to be deleted. A completed one keeps its objects."""

    id: str
    keeps_objects: bool


def abort(session_id: str, user_id: str) -> Leftovers | None:
    """End the session and forget its files. Return what is to be deleted, or None if it had ended before.

    Raises `UploadSessionNotFound`, `UploadSessionCompleted`, and `FinalizeInProgress` while a finalizer holds it.
    """
    event = analytics.upload_session_failed(session_id, user_id, reason="aborted")
    own_id, status = _end_own(_ABORT, session_id, user_id, events=outbox_table.parameter(event))
    if status is None:
        return Leftovers(own_id, keeps_objects=False)
    if status == "completed":
        raise UploadSessionCompleted
    if status in ("aborted", "expired"):
        return None
    raise FinalizeInProgress


def delete(session_id: str, user_id: str) -> Leftovers:
    """Delete the session with its files, whatever its state. Return what is to be deleted in the bucket.

    Raises `UploadSessionNotFound`, and `FinalizeInProgress` while a finalizer holds it.
    """
    own_id, status = _end_own(_DELETE, session_id, user_id)
    if status is not None:
        raise FinalizeInProgress
    return Leftovers(own_id, keeps_objects=False)


def expire_overdue(limit: int) -> int:
    """Expire up to `limit` sessions past their deadline. Skip those another transaction has locked. Return how many."""
    overdue = database.fetch_all(_OVERDUE, {"limit": limit})
    if not overdue:
        return 0
    recorded = [analytics.upload_session_expired(row["id"], row["user_id"]) for row in overdue]
    parameters = {"overdue": [row["id"] for row in overdue], "events": outbox_table.parameter(*recorded)}
    return _count(_end(_LOCK_OVERDUE, _EXPIRE, parameters))


def delete_due(limit: int) -> int:
    """Delete up to `limit` sessions that are due. Skip those another transaction has locked. Return how many."""
    return _count(_end(_LOCK_DUE, _DELETE_DUE, {"limit": limit}))


def to_purge(limit: int) -> list[Leftovers]:
    """Return up to `limit` ended sessions to clean up after. Each is due again in five minutes until `purged`."""
    rows = database.fetch_all(_TO_PURGE, {"limit": limit, "retry": PURGE_RETRY_SECONDS})
    return [Leftovers(**row) for row in rows]


def purged(session_id: str) -> None:
    """Mark the clean-up as done, or schedule the second pass."""
    database.execute(_PURGED, {"id": session_id})


def drop_tombstones(limit: int) -> int:
    """Drop up to `limit` deleted sessions that can leave nothing more in the bucket. Return the number dropped."""
    return database.execute(_DROP_TOMBSTONES, {"limit": limit})


def _end_own(change: LiteralString, session_id: str, user_id: str, **more: Any) -> tuple[str, str | None]:
    """End a user's session. Return its id, and its status if that kept it from ending."""
    own_id = canonical_uuid(session_id)
    row = _end(_LOCK_OWN, change, {"id": own_id, "user_id": user_id} | more)
    if row is None or own_id is None:
        raise UploadSessionNotFound
    return own_id, None if row["ended"] else row["status"]


def _end(lock: LiteralString, change: LiteralString, parameters: dict[str, Any]) -> dict[str, Any] | None:
    """Lock the sessions that `lock` finds, and all that depends on them; then make the change. Return its first row."""
    own = {"retention_days": settings.upload_retention_days}
    return database.fetch_one_holding(lock, [_LOCK_FILES, _LOCK_HEIRS], change, own | parameters)


def _count(row: dict[str, Any] | None) -> int:
    return row["count"] if row else 0
