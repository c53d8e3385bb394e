"""Many upload sessions at once: a page of a user's list, and what an export tells of them.

Counting and turning pages read the index alone; of a list's sessions no file is read.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inlet import database
from inlet.paging import Page
from inlet.upload_sessions.rows import SessionStatus
from inlet.upload_sessions.upload_sessions_table import STATE

# One row comes even for an empty page, since it carries the total.
_PAGE = f"""
WITH page AS (
    SELECT id FROM upload_sessions WHERE user_id = %(user_id)s
     ORDER BY created_at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s
)
SELECT counted.total, session.id::text, {STATE} AS state, session.revision, declared.file_count, declared.bytes,
       session.created_at, session.expires_at, session.delete_after AS deletes_at
  FROM (SELECT count(*) AS total FROM upload_sessions WHERE user_id = %(user_id)s) AS counted
  LEFT JOIN (page JOIN upload_sessions AS session USING (id)
             CROSS JOIN LATERAL (SELECT count(*) AS file_count, coalesce(sum(size), 0)::bigint AS bytes
                                   FROM upload_session_declarations WHERE session_id = session.id) AS declared) ON true
 ORDER BY session.created_at DESC, session.id DESC
"""

_EXPORTED = f"""
SELECT session.id::text, {STATE} AS state, session.revision, session.part_size_bytes, session.failure_reason,
       session.created_at, session.updated_at, session.ended_at, session.expires_at, session.delete_after AS deletes_at,
       (SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'index', declaration.position, 'category', category, 'filename', filename, 'mimeType', mime_type,
                   'size', declaration.size, 'sha256', sha256, 'fileId', stored.id, 'status', stored.status,
                   'etag', stored.etag, 'registeredAt', stored.created_at, 'completedAt', stored.completed_at,
                   'verifiedAt', stored.verified_at, 'key', CASE WHEN stored.status = 'completed' THEN stored.key END,
                   'verifiedBytes', (SELECT coalesce(sum(part.size), 0) FROM upload_session_parts AS part
                                      WHERE part.file_id = stored.id))
               ORDER BY declaration.position), '[]')
          FROM upload_session_declarations AS declaration
          LEFT JOIN upload_session_files AS own USING (session_id, position)
          LEFT JOIN upload_session_files AS stored ON stored.id = coalesce(own.id, declaration.duplicate_of)
         WHERE declaration.session_id = session.id) AS files
  FROM (SELECT * FROM upload_sessions
         WHERE user_id = %(sub)s AND (created_at, id) < (%(before)s, %(before_id)s::uuid)
         ORDER BY created_at DESC, id DESC LIMIT %(limit)s) AS session
 ORDER BY session.created_at DESC, session.id DESC
"""


@dataclass(frozen=True, slots=True)
class ListedUploadSession:
    """A session as a list shows it. `state` holds now, as in `UploadSession`; `bytes` is what was declared."""

    id: str
    state: SessionStatus
    revision: int
    file_count: int
    bytes: int
    created_at: datetime
    expires_at: datetime
    deletes_at: datetime | None


@dataclass(frozen=True, slots=True)
class RecordedUploadSession:
    """All that an export tells of a session; `files` are the database's JSON."""

    id: str
    state: SessionStatus
    revision: int
    part_size_bytes: int
    failure_reason: str | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    expires_at: datetime
    deletes_at: datetime | None
    files: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class UploadSessionPage:
    """One page of a user's sessions, and how many there are on all pages."""

    total: int
    sessions: list[ListedUploadSession]


def page(user_id: str, wanted: Page) -> UploadSessionPage:
    """Return a page of the user's sessions, newest first, and their number in all."""
    rows = database.fetch_all(_PAGE, {"user_id": user_id, "limit": wanted.limit, "offset": wanted.offset})
    total = rows[0]["total"]
    for row in rows:
        del row["total"]
    return UploadSessionPage(total, [ListedUploadSession(**row) for row in rows if row["id"] is not None])


def exported(sub: str, before: datetime | str, before_id: str, limit: int) -> list[RecordedUploadSession]:
    """Return up to `limit` of the user's sessions with their files, newest first, from those before this one on."""
    parameters = {"sub": sub, "before": before, "before_id": before_id, "limit": limit}
    return [RecordedUploadSession(**row) for row in database.fetch_all(_EXPORTED, parameters)]
