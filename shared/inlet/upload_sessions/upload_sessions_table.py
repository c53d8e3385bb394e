"""The `upload_sessions` table, from a session's creation to its completion. How others end is in `endings_table`.

Only statements compare deadlines, with the database's clock. A session is *free* while no finalizer that may be alive
holds its lease. Statements that touch a session's files lock the session first.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inlet import analytics, database, live_table, notifications_table, outbox_table
from inlet.errors import UploadSessionNotFound
from inlet.identifiers import canonical_uuid, token_matches
from inlet.settings import settings
from inlet.upload_sessions.rows import Declared, Slot, StoredFile, UploadSession
from inlet.upload_sessions.rules import RULES

FREE = "(session.status = 'active' OR (session.status = 'finalizing' AND coalesce(locked_until < now(), true)))"

# Every accepted call prolongs the session; one that finds a dead finalizer's lease ends it.
PROLONGED = f"""
       status = 'active', lock_token = NULL, locked_until = NULL, updated_at = now(),
       expires_at = least(now() + make_interval(secs => {RULES.idle_seconds}),
                          created_at + make_interval(secs => {RULES.max_age_seconds}))"""

STATE = f"""
       CASE WHEN NOT {FREE} THEN session.status
            WHEN session.expires_at > now() THEN 'active' ELSE 'expired' END"""

# A declaration is satisfied by its own completed file, or, while none is registered, by an equal one that was looked
# into: that one outlives its session.
_UNSATISFIED = """
    SELECT FROM upload_session_declarations AS declaration
      LEFT JOIN upload_session_files AS file USING (session_id, position)
     WHERE declaration.session_id = session.id AND file.status IS DISTINCT FROM 'completed'
       AND NOT (file.id IS NULL AND EXISTS (
                SELECT FROM upload_session_files AS earlier
                 WHERE earlier.id = declaration.duplicate_of AND earlier.verified_at IS NOT NULL))"""

_SLOTS = """
    SELECT coalesce(jsonb_agg(jsonb_build_object(
               'position', declaration.position,
               'declared', jsonb_build_object(
                   'category', category, 'filename', filename, 'mime_type', mime_type, 'size', size, 'sha256', sha256),
               'file', CASE WHEN file.id IS NOT NULL THEN jsonb_build_object(
                   'id', file.id, 'key', file.key, 'multipart_upload_id', file.multipart_upload_id,
                   'completed', file.status = 'completed', 'verified', file.verified_at IS NOT NULL, 'etag', file.etag,
                   'verified_bytes', CASE WHEN file.status = 'completed' THEN size ELSE coalesce((
                       SELECT sum(part.size) FROM upload_session_parts AS part WHERE part.file_id = file.id), 0) END)
               END,
               'duplicate', CASE WHEN earlier.verified_at IS NOT NULL THEN jsonb_build_object(
                   'id', earlier.id, 'key', earlier.key) END)
           ORDER BY declaration.position), '[]')
      FROM upload_session_declarations AS declaration
      LEFT JOIN upload_session_files AS file USING (session_id, position)
      LEFT JOIN upload_session_files AS earlier ON earlier.id = declaration.duplicate_of
     WHERE declaration.session_id = session.id"""

_COLUMNS = f"""
       session.id::text, session.user_id, {STATE} AS state, session.status <> {STATE} AS lapsed, session.revision,
       session.part_size_bytes, session.companion_token_hash, session.created_at, session.expires_at,
       session.delete_after AS deletes_at, ({_SLOTS}) AS slots"""

_CREATE = f"""
WITH session AS (
    INSERT INTO upload_sessions AS session (id, user_id, part_size_bytes, companion_token_hash, expires_at)
    VALUES (%(id)s, %(user_id)s, %(part_size_bytes)s, %(companion_token_hash)s,
            now() + make_interval(secs => {RULES.idle_seconds}))
    ON CONFLICT (id) DO UPDATE SET updated_at = session.updated_at -- run again after its answer was lost: the same row
    RETURNING id, user_id, expires_at
), wanted AS (
    SELECT file.* FROM jsonb_to_recordset(%(files)s::jsonb)
           AS file (position integer, category text, filename text, mime_type text, size bigint, sha256 text)
), equal AS (
    SELECT wanted.position, file.id, file.key, file.completed_at, file.verified_at IS NOT NULL AS checked
      FROM wanted
      JOIN upload_session_declarations AS declaration
        ON declaration.user_id = %(user_id)s AND declaration.sha256 = wanted.sha256 AND declaration.size = wanted.size
      JOIN upload_session_files AS file
        ON file.session_id = declaration.session_id AND file.position = declaration.position
      JOIN upload_sessions AS its ON its.id = file.session_id AND its.user_id = %(user_id)s -- not forgotten
     WHERE file.status = 'completed'
     ORDER BY file.id FOR KEY SHARE OF file -- or it could be gone before it is referred to
), duplicates AS (
    SELECT DISTINCT ON (position) position, id, key FROM equal ORDER BY position, checked DESC, completed_at
), declared AS (
    INSERT INTO upload_session_declarations
           (session_id, position, user_id, category, filename, mime_type, size, sha256, duplicate_of)
    SELECT session.id, wanted.position, session.user_id, category, filename, mime_type, size, sha256, duplicates.id
      FROM session, wanted LEFT JOIN duplicates USING (position)
    ON CONFLICT (session_id, position) DO NOTHING
), {outbox_table.record("session")}
, {live_table.ticket("session", topic="'upload_session:' || id")}
SELECT session.expires_at,
       (SELECT coalesce(jsonb_agg(to_jsonb(duplicates) ORDER BY position), '[]') FROM duplicates) AS duplicates
  FROM session
"""

_GET = f"SELECT {_COLUMNS} FROM upload_sessions AS session WHERE id = %(id)s AND user_id = %(user_id)s"

# A capability dies with its session. Only a completed one leaves it a grace, for a client that lost the last answer.
_GET_FOR_COMPANION = f"""
SELECT {_COLUMNS} FROM upload_sessions AS session
 WHERE id = %(id)s AND companion_token_hash IS NOT NULL
   AND CASE status WHEN 'completed' THEN ended_at + make_interval(secs => {RULES.companion_grace_seconds}) > now()
                   WHEN 'expired' THEN false WHEN 'aborted' THEN false ELSE expires_at > now() END
"""

# Returns the session as it was before; `leased` says whether this call holds the lease now.
_LEASE = f"""
WITH leased AS (
    UPDATE upload_sessions AS session
       SET status = 'finalizing', lock_token = %(token)s, updated_at = now(),
           locked_until = now() + make_interval(secs => {RULES.finalize_lease_seconds})
     WHERE id = %(id)s AND user_id = %(user_id)s AND expires_at > now()
       AND ({FREE} OR lock_token = %(token)s) AND NOT EXISTS ({_UNSATISFIED})
    RETURNING id
)
SELECT EXISTS (SELECT FROM leased) AS leased, {_COLUMNS}
  FROM upload_sessions AS session WHERE id = %(id)s AND user_id = %(user_id)s
"""

_HELD = "id = %(id)s AND status = 'finalizing' AND lock_token = %(token)s"

_VERIFIED = """
    UPDATE upload_session_files AS file SET verified_at = now() FROM session
     WHERE file.session_id = session.id AND file.id = ANY(%(verified)s::uuid[])"""

_COMMIT = f"""
WITH session AS (
    UPDATE upload_sessions AS session
       SET status = 'completed', lock_token = NULL, locked_until = NULL, failure_reason = NULL, updated_at = now(),
           ended_at = now(), purge_after = now() + make_interval(secs => {RULES.purge_grace_seconds}),
           delete_after = now() + make_interval(days => nullif(%(retention_days)s, 0))
     WHERE {_HELD} AND NOT EXISTS ({_UNSATISFIED})
       AND NOT EXISTS (SELECT FROM upload_session_files AS file
                        WHERE file.session_id = session.id AND verified_at IS NULL AND id <> ALL(%(verified)s::uuid[]))
    RETURNING id, status, revision, delete_after,
              round(extract(epoch FROM ended_at - created_at) * 1000)::bigint AS milliseconds
), verified AS ({_VERIFIED}
), {outbox_table.record("session", "jsonb_build_object('duration_ms', milliseconds)")}
, {notifications_table.record("upload_session.completed", "session")}
SELECT delete_after AS deletes_at FROM session
"""

_RELEASE = f"""
WITH session AS (
    UPDATE upload_sessions AS session SET {PROLONGED} WHERE {_HELD} RETURNING id
), verified AS ({_VERIFIED}
)
SELECT id FROM session
"""

_REJECT = f"""
WITH session AS (
    UPDATE upload_sessions AS session SET failure_reason = 'content_mismatch', {PROLONGED} WHERE {_HELD} RETURNING id
), verified AS ({_VERIFIED}
), rejected AS (
    DELETE FROM upload_session_files AS file USING session
     WHERE file.session_id = session.id AND file.id = ANY(%(rejected)s::uuid[])
    RETURNING file.key
), noted AS (
    INSERT INTO object_deletions (key) SELECT key FROM rejected ON CONFLICT (key) DO NOTHING
), {outbox_table.record("session")}
SELECT id FROM session
"""


@dataclass(frozen=True, slots=True)
class Created:
    """A new session's deadline, and the user's earlier files that equal declared ones, by position."""

    expires_at: datetime
    duplicates: dict[int, StoredFile]


@dataclass(frozen=True, slots=True)
class Completed:
    """A session just completed, and when it will be deleted, if ever."""

    deletes_at: datetime | None


def create(
    session_id: str,
    *,
    user_id: str,
    part_size_bytes: int,
    companion_token_hash: str,
    ticket_hash: str | None,
    files: Sequence[Declared],
) -> Created:
    """Create the session with its declared files, and look for files that the user has sent before.

    Records a ticket to watch it, unless `ticket_hash` is None.
    """
    event = analytics.upload_session_created(
        session_id, user_id, file_count=len(files), total_bytes=sum(file.size for file in files)
    )
    declared = [{"position": position} | file._asdict() for position, file in enumerate(files)]
    row = database.fetch_one(
        _CREATE,
        {
            "id": session_id,
            "user_id": user_id,
            "part_size_bytes": part_size_bytes,
            "companion_token_hash": companion_token_hash,
            "ticket_hash": ticket_hash,
            "files": json.dumps(declared),
            "events": outbox_table.parameter(event),
        },
    )
    assert row is not None  # noqa: S101 - inserted, or there already
    duplicates = {found["position"]: StoredFile(found["id"], found["key"]) for found in row["duplicates"]}
    return Created(row["expires_at"], duplicates)


def get(session_id: str, user_id: str) -> UploadSession:
    """Return the user's session. Raise `UploadSessionNotFound` for a missing one and for another user's alike."""
    return _found(database.fetch_one(_GET, {"id": canonical_uuid(session_id), "user_id": user_id}))


def get_for_companion(session_id: str, token: str) -> UploadSession:
    """Return the session that this capability opens. Raise `UploadSessionNotFound` for any other, or a dead one."""
    session = _found(database.fetch_one(_GET_FOR_COMPANION, {"id": canonical_uuid(session_id)}))
    if session.companion_token_hash is None or not token_matches(token, session.companion_token_hash):
        raise UploadSessionNotFound
    return session


def lease(session_id: str, user_id: str, token: str) -> tuple[UploadSession, bool]:
    """Make this caller the session's one finalizer, if it is active and all its files are completed.

    Returns the session as it was before, and whether the lease was taken.
    """
    row = database.fetch_one(_LEASE, {"id": canonical_uuid(session_id), "user_id": user_id, "token": token})
    leased = bool(row and row.pop("leased"))
    return _found(row), leased


def commit(session: UploadSession, token: str, verified: Sequence[str]) -> Completed | None:
    """Complete the session. Return None if the lease was lost, or a file that the lease still saw is gone."""
    event = analytics.upload_session_completed(session.id, session.user_id, file_count=len(session.slots))
    parameters = {
        "id": session.id,
        "token": token,
        "verified": verified,
        "retention_days": settings.upload_retention_days,
        "events": outbox_table.parameter(event),
    }
    return database.fetch_one_as(Completed, _COMMIT, parameters)


def release(session: UploadSession, token: str, verified: Sequence[str]) -> None:
    """Give the lease back. Verified files stay verified."""
    database.fetch_one(_RELEASE, {"id": session.id, "token": token, "verified": verified})


def reject(session: UploadSession, token: str, verified: Sequence[str], rejected: Sequence[str]) -> None:
    """Give the lease back and drop the files that are not as declared: they may be registered again."""
    event = analytics.upload_session_failed(
        session.id, session.user_id, reason="content_mismatch", occasion=",".join(sorted(rejected))
    )
    parameters = {
        "id": session.id,
        "token": token,
        "verified": verified,
        "rejected": rejected,
        "events": outbox_table.parameter(event),
    }
    database.fetch_one(_REJECT, parameters)


def _found(row: dict[str, Any] | None) -> UploadSession:
    if row is None:
        raise UploadSessionNotFound
    slots = [Slot.from_json(members) for members in row.pop("slots")]
    return UploadSession(**row, slots=slots)
