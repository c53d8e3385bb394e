"""POST /api/mocs/uploads/sessions/{sessionId}/finalize: verify that all files are there and as declared.

Two phases: one statement makes this call the session's only finalizer until a deadline; then the files are verified,
in no transaction; then one statement commits, if this call still holds the lease. Whatever ends a call early, the next
one goes on with the files that were not verified.
"""

from functools import partial

from inlet import api, authentication, deliverer, downloads, identifiers
from inlet.answers import Family
from inlet.deadline import Deadline
from inlet.errors import (
    OF_AN_UPLOAD_SESSION,
    ContentMismatch,
    FilesIncomplete,
    FinalizeInProgress,
    InletError,
    UploadSessionClosed,
)
from inlet.upload_sessions import files_table, guards, upload_sessions_table, verification
from inlet.upload_sessions.messages import FinalizedFile, FinalizedSession
from inlet.upload_sessions.rows import UploadSession
from inlet.upload_sessions.rules import RULES
from inlet.upload_sessions.upload_sessions_table import Completed

app = api.Resolver(Family.UPLOAD_SESSIONS)


@app.post(
    "/api/mocs/uploads/sessions/<session_id>/finalize",
    security=api.SIGNED_IN,
    guard=guards.require_owner,
    raises=[*OF_AN_UPLOAD_SESSION, FilesIncomplete, ContentMismatch, FinalizeInProgress],
)
def finalize_session(session_id: str) -> FinalizedSession:
    """Finalize an upload session.

    Verifies that every declared file is completed and is what its MIME type says, and completes the session. May be
    repeated: a completed session answers the same again. Answers 409 while another call finalizes, or when verification
    needs another call: retry. A file that is not as declared is rejected (422) and may be registered again.
    """
    token = identifiers.new_uuid()
    session, leased = upload_sessions_table.lease(session_id, authentication.current_user(app.event).sub, token)
    if leased:
        deletes_at = _finalize(session, token).deletes_at
        deliverer.wake()
    elif session.state == "completed":
        deletes_at = session.deletes_at
    else:
        raise _reason_without_lease(session)
    return FinalizedSession(session_id=session.id, deletes_at=deletes_at, files=_finalized_files(session))


def _reason_without_lease(session: UploadSession) -> InletError:
    """Return why a session that is not completed could not be leased."""
    if session.state in ("expired", "aborted"):
        return UploadSessionClosed(status=session.state)
    missing = [slot for slot in session.slots if slot.stored is None]
    if session.state == "active" and missing:
        return FilesIncomplete(files=[{"index": slot.position, "filename": slot.declared.filename} for slot in missing])
    return FinalizeInProgress()  # by another call, which may have taken the lease while this one asked


def _finalize(session: UploadSession, token: str) -> Completed:
    """Verify the files under the lease, and commit; or give the lease back and say why."""
    deadline = Deadline.of(app.context, reserve_seconds=RULES.finalize_reserve_seconds)
    try:
        findings = verification.verify(session.slots, deadline, partial(files_table.keep_verified, session.id, token))
    except Exception:
        upload_sessions_table.release(session, token, [])
        raise
    if findings.mismatched:
        rejected = [file.id for _, file, _ in findings.mismatched]
        upload_sessions_table.reject(session, token, findings.verified, rejected)
        raise ContentMismatch(
            files=[
                {"index": slot.position, "fileId": file.id, "filename": slot.declared.filename, "reason": reason}
                | ({"found": found} if found else {})
                for slot, file, (reason, found) in findings.mismatched
            ]
        )
    if findings.failure:
        upload_sessions_table.release(session, token, findings.verified)
        raise findings.failure
    completed = None if findings.out_of_time else upload_sessions_table.commit(session, token, findings.verified)
    if completed is None:
        upload_sessions_table.release(session, token, findings.verified)
        raise FinalizeInProgress
    return completed


def _finalized_files(session: UploadSession) -> list[FinalizedFile]:
    """Return every declared file with a fresh URL; for a skipped duplicate, the earlier file's."""
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
