"""What the owner of an upload session sees of it: the session, its files, their states and progress."""

from typing import Any

from inlet import downloads, live
from inlet.live import Readers
from inlet.upload_sessions import upload_sessions_table
from inlet.upload_sessions.messages import FileState, Progress, SessionState
from inlet.upload_sessions.rows import Slot, UploadSession


def of(session: UploadSession) -> dict[str, Any]:
    """Return the session's state, a `SessionState` as JSON has it. A completed file has a fresh URL."""
    files = [_file_state(slot) for slot in session.slots]
    state = SessionState(
        session_id=session.id,
        status=session.state,
        revision=session.revision,
        part_size_bytes=session.part_size_bytes,
        created_at=session.created_at,
        expires_at=session.expires_at,
        deletes_at=session.deletes_at,
        progress=Progress(
            files_completed=sum(file.status in ("completed", "duplicate") for file in files),
            files_total=len(files),
            bytes_uploaded=sum(file.verified_bytes for file in files),
            bytes_total=sum(file.size for file in files),
        ),
        files=files,
    )
    return state.model_dump(mode="json", by_alias=True)


def read(session_id: str, user: str | None) -> dict[str, Any]:
    """Read a user's session. Raise `UploadSessionNotFound`."""
    return of(upload_sessions_table.get(session_id, user or ""))


def _file_state(slot: Slot) -> FileState:
    declared, file, stored = slot.declared, slot.file, slot.stored
    return FileState(
        index=slot.position,
        file_id=file.id if file else None,
        category=declared.category,
        filename=declared.filename,
        mime_type=declared.mime_type,
        size=declared.size,
        sha256=declared.sha256,
        status=slot.state,
        verified_bytes=declared.size if stored else file.verified_bytes if file else 0,
        file_url=downloads.url(stored.key, declared.filename) if stored else None,
    )


LIVE: Readers = {"upload_session": read}


def publish() -> None:
    """Tell those who watch what this function has changed. Never fails."""
    live.publish(LIVE)
