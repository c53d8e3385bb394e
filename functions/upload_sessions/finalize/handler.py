"""POST …/sessions/{sessionId}/finalize: all files are there and are what they were declared to be.

Two phases: one statement makes this call the session's only finalizer until a deadline; then files are looked into, in
no transaction; then one statement commits, if the lease is still this call's.
"""

from inlet import answers, api, authentication, downloads, identifiers
from inlet.errors import (
    ContentMismatch,
    FilesIncomplete,
    FinalizeInProgress,
    IdempotencyInProgress,
    IdempotencyMismatch,
    StorageUnavailable,
    Unauthorized,
    UploadSessionClosed,
    UploadSessionNotFound,
)
from inlet.upload_sessions import upload_sessions_table, verification
from inlet.upload_sessions.messages import FinalizedFile, FinalizedSession
from inlet.upload_sessions.rows import UploadSession
from inlet.upload_sessions.rules import RULES

app = api.resolver(answers.Family.UPLOAD_SESSIONS)


@app.post(
    "/api/mocs/uploads/sessions/<session_id>/finalize",
    security=api.SIGNED_IN,
    responses=answers.documented(
        app.family,
        {200: FinalizedSession},
        Unauthorized,
        UploadSessionNotFound,
        UploadSessionClosed,
        FilesIncomplete,
        ContentMismatch,
        FinalizeInProgress,
        IdempotencyMismatch,
        IdempotencyInProgress,
    ),
)
def finalize_session(session_id: str) -> FinalizedSession:
    """Finish a session; after success, the same answer again. 409: somebody is at it, or it takes longer: ask again."""
    token = identifiers.new_uuid()
    session, leased = upload_sessions_table.lease(session_id, authentication.current_user(app.event).sub, token)
    if not leased:
        _require_completed(session)
    else:
        _finalize(session, token)
    return FinalizedSession(session_id=session.id, files=_finalized_files(session))


def _require_completed(session: UploadSession) -> None:
    """Say why there was no lease, unless the session is completed already."""
    if session.state == "completed":
        return
    if session.state == "finalizing":
        raise FinalizeInProgress
    session.require_active()
    if missing := [slot for slot in session.slots if slot.stored is None]:
        raise FilesIncomplete(files=[{"index": slot.position, "filename": slot.declared.filename} for slot in missing])
    raise FinalizeInProgress  # another call took the lease while this one asked


def _finalize(session: UploadSession, token: str) -> None:
    """Look into the files under the lease, and commit; or give the lease back and say why."""
    try:
        findings = verification.verify(session.slots, budget_seconds=RULES.finalize_budget_seconds)
    except StorageUnavailable:
        upload_sessions_table.release(session, token, [])
        raise
    if findings.liars:
        upload_sessions_table.reject(session, token, findings.verified, [file.id for _, file, _ in findings.liars])
        raise ContentMismatch(
            files=[
                {"index": slot.position, "fileId": file.id, "filename": slot.declared.filename, "reason": lie}
                for slot, file, lie in findings.liars
            ]
        )
    if findings.unfinished or not upload_sessions_table.commit(session, token, findings.verified):
        upload_sessions_table.release(session, token, findings.verified)
        raise FinalizeInProgress


def _finalized_files(session: UploadSession) -> list[FinalizedFile]:
    """Every declared file with a fresh URL; for a skipped duplicate, the earlier file's."""
    return [
        FinalizedFile(
            index=slot.position,
            file_id=slot.stored.id,
            file_url=downloads.url(slot.stored.key, slot.declared.filename),
            category=slot.declared.category,
            filename=slot.declared.filename,
            mime_type=slot.declared.mime_type,
            size=slot.declared.size,
        )
        for slot in session.slots
        if slot.stored
    ]


lambda_handler = app.lambda_handler
