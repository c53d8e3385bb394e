"""GET /api/mocs/uploads/sessions/{sessionId}: return the session, its files, their states and progress."""

from inlet import api, authentication, downloads
from inlet.answers import Family
from inlet.errors import UploadSessionNotFound
from inlet.upload_sessions import upload_sessions_table
from inlet.upload_sessions.messages import FileState, Progress, SessionState
from inlet.upload_sessions.rows import Slot

app = api.Resolver(Family.UPLOAD_SESSIONS)


@app.get("/api/mocs/uploads/sessions/<session_id>", security=api.SIGNED_IN, raises=[UploadSessionNotFound])
def read_session(session_id: str) -> SessionState:
    """Read an upload session.

    Returns every declared file with its state and progress; a completed file with a fresh URL. Reading does not
    prolong the session.
    """
    session = upload_sessions_table.get(session_id, authentication.current_user(app.event).sub)
    files = [_file_state(slot) for slot in session.slots]
    return SessionState(
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
            bytes_uploaded=sum(file.uploaded_bytes for file in files),
            bytes_total=sum(file.size for file in files),
        ),
        files=files,
    )


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
        uploaded_bytes=declared.size if stored else file.uploaded_bytes if file else 0,
        file_url=downloads.url(stored.key, declared.filename) if stored else None,
    )


lambda_handler = app.lambda_handler
