"""POST /api/mocs/uploads/sessions/{sessionId}/finalize: verify that all files are there and as declared.

First it completes the files that the request names, as a batch would: the last ones of an upload need no call of their
own. Then two phases: one statement makes this call the session's only finalizer until a deadline; then the files are
verified, in no transaction; then one statement commits, if this call still holds the lease. Whatever ends a call early,
the next one goes on with the files that were not completed or verified.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from inlet import api, authentication, deliverer, downloads, identifiers
from inlet.answers import Family
from inlet.deadline import Deadline
from inlet.errors import (
    OF_AN_UPLOAD_SESSION,
    ContentMismatch,
    FilesIncomplete,
    FinalizeInProgress,
    InletError,
    StorageUnavailable,
    UploadSessionClosed,
)
from inlet.upload_sessions import batches, completion, files_table, guards, state, upload_sessions_table, verification
from inlet.upload_sessions.messages import FileToComplete, FinalizedFile, FinalizedSession, FinalizeRequest
from inlet.upload_sessions.rows import UploadSession
from inlet.upload_sessions.rules import RULES
from inlet.upload_sessions.upload_sessions_table import Completed

app = api.Resolver(Family.UPLOAD_SESSIONS, publish=state.publish)


@app.post(
    "/api/mocs/uploads/sessions/<session_id>/finalize",
    security=api.SIGNED_IN,
    guard=guards.require_owner,
    raises=[*OF_AN_UPLOAD_SESSION, FilesIncomplete, ContentMismatch, FinalizeInProgress],
)
def finalize_session(session_id: str, request: FinalizeRequest | None = None) -> FinalizedSession:
    """Finalize an upload session.

    Completes the files that the body names, if any: the last ones. Verifies that every declared file is completed and
    is what its MIME type says, and completes the session. May be repeated: a completed session answers the same again.
    Answers 409 while another call finalizes, or when verification needs another call: retry. A file that is not as
    declared is rejected (422) and may be registered again.
    """
    user_id, token = authentication.current_user(app.event).sub, identifiers.new_uuid()
    refused = _complete(session_id, user_id, request.files) if request and request.files else []
    session, leased = upload_sessions_table.lease(session_id, user_id, token)
    if leased:
        deletes_at = _finalize(session, token).deletes_at
        deliverer.wake()
    elif session.state == "completed":
        deletes_at = session.deletes_at
    else:
        raise _reason_without_lease(session, refused)
    return FinalizedSession(session_id=session.id, deletes_at=deletes_at, files=_finalized_files(session))


class Refused(NamedTuple):
    """A file that this call was to complete and did not; `position` is None where the session has no such file."""

    position: int | None
    file_id: str
    error: InletError

    @property
    def answer(self) -> dict[str, Any]:
        """The answer that completing this file alone would have had."""
        status, error = batches.refused(self.error)
        return {"fileId": self.file_id, "status": status, "error": error.model_dump()}


def _complete(session_id: str, user_id: str, files: Sequence[FileToComplete]) -> list[Refused]:
    """Complete files. Return those that this call has not completed: an earlier one may have."""
    session = upload_sessions_table.get(session_id, user_id)
    deadline = Deadline.of(app.context, reserve_seconds=RULES.complete_reserve_seconds)
    wanted = {file.file_id: file.numbered for file in files}
    positions = {slot.file.id: slot.position for slot in session.slots if slot.file}
    outcomes = zip(wanted, completion.complete_all(session, wanted, deadline), strict=True)
    return [
        Refused(positions.get(file_id), file_id, outcome)
        for file_id, outcome in outcomes
        if isinstance(outcome, InletError)
    ]


def _reason_without_lease(session: UploadSession, refused: Sequence[Refused]) -> InletError:
    """Return why a session that is not completed could not be leased."""
    if session.state in ("expired", "aborted"):
        return UploadSessionClosed(status=session.state)
    missing = [slot for slot in session.slots if slot.stored is None]
    if session.state == "finalizing" or not missing:
        return FinalizeInProgress()  # by another call, which may have taken the lease while this one asked
    for one in refused:
        if isinstance(one.error, StorageUnavailable):
            return one.error  # the same call again may succeed
    answers = {one.position: one.answer for one in refused}
    named = [
        {"index": slot.position, "filename": slot.declared.filename} | answers.get(slot.position, {})
        for slot in missing
    ]
    return FilesIncomplete(files=named + [one.answer for one in refused if one.position is None])


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
