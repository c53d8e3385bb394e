"""The `upload_session_files` and `upload_session_parts` tables. Every statement locks the session first."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inlet import analytics, database, outbox_table
from inlet.analytics import Event
from inlet.errors import UploadSessionClosed
from inlet.upload_sessions import upload_sessions_table
from inlet.upload_sessions.rows import SessionFile, Slot, UploadSession
from inlet.upload_sessions.upload_sessions_table import FREE, PROLONGED

if TYPE_CHECKING:
    from inlet.multipart_uploads import UploadedPart

_SESSION = f"""
session AS (
    UPDATE upload_sessions AS session SET {PROLONGED} WHERE id = %(session_id)s AND {FREE}
    RETURNING id, greatest(1, floor(extract(epoch FROM expires_at - now())))::integer AS seconds_left
)"""

_KEEP_VERIFIED = """
WITH session AS (
    SELECT id FROM upload_sessions
     WHERE id = %(session_id)s AND status = 'finalizing' AND lock_token = %(token)s FOR UPDATE
)
UPDATE upload_session_files AS file SET verified_at = now() FROM session
 WHERE file.session_id = session.id AND file.id = ANY(%(verified)s::uuid[])
"""

# The second of two callers gets the row of the first, even one not yet in this statement's snapshot.
_REGISTER = f"""
WITH {_SESSION}, registered AS (
    INSERT INTO upload_session_files AS file (id, session_id, position, key, multipart_upload_id)
    SELECT wanted.id, session.id, wanted.position, wanted.key, wanted.multipart_upload_id
      FROM session, jsonb_to_recordset(%(files)s::jsonb)
           AS wanted (id uuid, position integer, key text, multipart_upload_id text)
     ORDER BY wanted.position
    ON CONFLICT (session_id, position) DO UPDATE SET position = file.position
    RETURNING file.id, file.position, file.key, file.multipart_upload_id, file.status = 'completed' AS completed
)
SELECT session.seconds_left, (SELECT coalesce(jsonb_agg(to_jsonb(registered)), '[]') FROM registered) AS files
  FROM session
"""

_COMPLETE = f"""
WITH {_SESSION}, assembled AS (
    SELECT file.* FROM jsonb_to_recordset(%(files)s::jsonb) AS file (id uuid, etag text, verified boolean, parts jsonb)
), completed AS (
    UPDATE upload_session_files AS file
       SET status = 'completed', etag = assembled.etag, completed_at = now(),
           verified_at = CASE WHEN assembled.verified THEN now() END
      FROM session, assembled
     WHERE file.id = assembled.id AND file.session_id = session.id AND file.status = 'registered'
    RETURNING file.id, assembled.parts
), parts AS (
    INSERT INTO upload_session_parts AS part (file_id, part_number, etag, size)
    SELECT completed.id, seen.number, seen.etag, seen.size
      FROM completed, jsonb_to_recordset(completed.parts) AS seen (number integer, etag text, size bigint)
    ON CONFLICT (file_id, part_number) DO UPDATE SET etag = excluded.etag, size = excluded.size
), {outbox_table.record_each("completed", named_by="file_id")}
SELECT (SELECT coalesce(jsonb_agg(id), '[]') FROM completed) AS completed FROM session
"""

_SEEN = f"""
WITH {_SESSION}, file AS (
    SELECT file.id FROM upload_session_files AS file, session
     WHERE file.id = %(file_id)s AND file.session_id = session.id AND file.status = 'registered' FOR KEY SHARE OF file
), parts AS (
    INSERT INTO upload_session_parts AS part (file_id, part_number, etag, size)
    SELECT file.id, seen.number, seen.etag, seen.size
      FROM file, jsonb_to_recordset(%(parts)s::jsonb) AS seen (number integer, etag text, size bigint)
    ON CONFLICT (file_id, part_number) DO UPDATE SET etag = excluded.etag, size = excluded.size
     WHERE (part.etag, part.size) IS DISTINCT FROM (excluded.etag, excluded.size)
)
SELECT session.seconds_left, EXISTS (SELECT FROM file) AS found FROM session
"""

_DROP = f"""
WITH {_SESSION}
DELETE FROM upload_session_files AS file USING session
 WHERE file.id = %(file_id)s AND file.session_id = session.id AND file.status = 'registered'
"""

_KNOWN = "SELECT key FROM upload_session_files WHERE key = ANY(%(keys)s)"


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A multipart upload just opened for the declared file at `position`, not yet in the table."""

    id: str
    position: int
    key: str
    multipart_upload_id: str


@dataclass(frozen=True, slots=True)
class AssembledFile:
    """A file whose object is in the bucket, with the object's ETag and those of its parts by number.

    `verified`: it has been looked into and is as declared.
    """

    slot: Slot
    file: SessionFile
    etag: str
    parts: Mapping[int, str]
    verified: bool = False

    def row(self, part_bytes: int) -> dict[str, Any]:
        """Return what the tables get to know."""
        sizes = dict(self.slot.parts(part_bytes, first=1, limit=len(self.parts)))
        parts = [{"number": number, "etag": etag, "size": sizes[number]} for number, etag in self.parts.items()]
        return {"id": self.file.id, "etag": self.etag, "verified": self.verified, "parts": parts}

    def event(self, session: UploadSession) -> Event:
        """Return the event of its completion."""
        return analytics.upload_session_file_completed(
            session.id,
            session.user_id,
            self.file.id,
            category=self.slot.declared.category,
            file_size=self.slot.declared.size,
            file_type=self.slot.declared.mime_type,
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """The registrations that stand, by position, and how many seconds the session has left."""

    seconds_left: int
    files: dict[int, SessionFile]


def register(session: UploadSession, opened: Sequence[OpenedFile]) -> Standing:
    """Enter opened uploads. Where another was entered first, return that one.

    Raises `UploadSessionClosed` when the session has ended meanwhile.
    """
    files = [
        {"id": file.id, "position": file.position, "key": file.key, "multipart_upload_id": file.multipart_upload_id}
        for file in opened
    ]
    row = database.fetch_one(_REGISTER, {"session_id": session.id, "files": json.dumps(files)})
    if row is None:
        raise _closed(session)
    standing = {
        file.pop("position"): SessionFile(**file, verified=False, etag=None, verified_bytes=0) for file in row["files"]
    }
    return Standing(row["seconds_left"], standing)


def complete(session: UploadSession, assembled: Sequence[AssembledFile]) -> set[str]:
    """Record that the files' objects are there. Return the ids of those that this call has completed.

    Of racing callers one completes a file; for the others it no longer awaits parts. Raises `UploadSessionClosed` when
    the session has ended meanwhile.
    """
    parameters = {
        "session_id": session.id,
        "files": json.dumps([one.row(session.part_size_bytes) for one in assembled]),
        "events": outbox_table.parameter(*(one.event(session) for one in assembled)),
    }
    row = database.fetch_one(_COMPLETE, parameters)
    if row is None:
        raise _closed(session)
    return set(row["completed"])


def seen(session: UploadSession, file: SessionFile, parts: Iterable["UploadedPart"]) -> int | None:
    """Record the parts the bucket has. Return the session's remaining seconds, or None if the file awaits no parts.

    Raises `UploadSessionClosed` when the session has ended meanwhile.
    """
    rows = [{"number": part.number, "etag": part.etag, "size": part.size} for part in parts]
    row = database.fetch_one(_SEEN, {"session_id": session.id, "file_id": file.id, "parts": json.dumps(rows)})
    if row is None:
        raise _closed(session)
    return row["seconds_left"] if row["found"] else None


def drop(session: UploadSession, file: SessionFile) -> bool:
    """Forget a registration that is not completed: the file may be registered again. Return False if there was none."""
    return database.execute(_DROP, {"session_id": session.id, "file_id": file.id}) > 0


def keep_verified(session_id: str, token: str, verified: Sequence[str]) -> None:
    """Record files as verified by the finalizer that holds the lease; a session held by another is left alone."""
    database.execute(_KEEP_VERIFIED, {"session_id": session_id, "token": token, "verified": verified})


def known(keys: Sequence[str]) -> set[str]:
    """Return which of these keys are those of registered files."""
    return {row["key"] for row in database.fetch_all(_KNOWN, {"keys": keys})}


def _closed(session: UploadSession) -> UploadSessionClosed:
    """Return what became of a session that a statement found to be no longer free."""
    return UploadSessionClosed(status=upload_sessions_table.get(session.id, session.user_id).state)
