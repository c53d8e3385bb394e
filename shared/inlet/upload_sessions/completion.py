"""Completing a file: the bucket assembles its parts, then the row says so.

If the function dies between the two steps, or the client retries after a lost reply, the object exists and the
multipart upload does not. HEAD decides; the row is updated to match.
"""

import re

from inlet import downloads, multipart_uploads, storage
from inlet.errors import (
    FileAlreadyCompleted,
    InletError,
    MultipartUploadGone,
    ObjectMissing,
    PartsMismatch,
    PartsRefused,
    SessionFileNotFound,
    UploadLost,
    UploadSessionClosed,
)
from inlet.headers import bare_etag
from inlet.upload_sessions import files_table, upload_sessions_table
from inlet.upload_sessions.rows import SessionFile, Slot, UploadSession

_ETAG = re.compile(r"[!#-~]{1,100}")


def complete(session: UploadSession, slot: Slot, file: SessionFile, parts: list[tuple[int, str]]) -> str:
    """Complete a file of these parts (number and ETag, with or without quotes). Return the file's URL.

    Raises `FileAlreadyCompleted`, `UploadSessionClosed`, `PartsMismatch` or `UploadLost`. Calls the bucket once, or
    twice after a lost reply.
    """
    require_incomplete(slot, file)
    session.require_active()
    etags = _checked(parts, slot.part_count(session.part_size_bytes))
    try:
        etag = multipart_uploads.complete(file.key, file.multipart_upload_id, etags)
    except PartsRefused as error:
        raise PartsMismatch(expectedParts=len(etags)) from error
    except MultipartUploadGone as gone:
        assembled = _assembled_before(file)
        if assembled is None:
            raise _lost(session, file) from gone
        etag = assembled
    if not files_table.complete(session, slot, file, etag, etags):
        raise settled(session, file)
    return downloads.url(file.key, slot.declared.filename)


def outcome(session: UploadSession, slot: Slot, file: SessionFile) -> InletError:
    """Return what became of a file whose multipart upload is gone: there is nothing left to send.

    Completes its row if the object is there (`FileAlreadyCompleted`), else forgets the registration (`UploadLost`).
    """
    etag = _assembled_before(file)
    if etag is None:
        return _lost(session, file)
    files_table.complete(session, slot, file, etag, {})
    return settled(session, file)


def settled(session: UploadSession, file: SessionFile) -> InletError:
    """Return what became of a file that stopped awaiting parts while this call ran.

    Returns `FileAlreadyCompleted`, or `SessionFileNotFound` when the registration is gone.
    """
    try:
        slot, _ = upload_sessions_table.get(session.id, session.user_id).slot_of(file.id)
    except SessionFileNotFound as error:
        return error
    return _completed(slot, file)


def require_incomplete(slot: Slot, file: SessionFile) -> None:
    """Raise `FileAlreadyCompleted`, with the URL for a client that lost the first answer, if the file is completed."""
    if file.completed:
        raise _completed(slot, file)


def _completed(slot: Slot, file: SessionFile) -> FileAlreadyCompleted:
    return FileAlreadyCompleted(fileUrl=downloads.url(file.key, slot.declared.filename))


def _checked(parts: list[tuple[int, str]], count: int) -> dict[int, str]:
    """Return the ETags of parts 1 to `count` by number. Raise `PartsMismatch` unless each is named once."""
    etags = {number: bare_etag(etag) for number, etag in parts}
    if len(etags) != len(parts) or etags.keys() != set(range(1, count + 1)):
        raise PartsMismatch(expectedParts=count, missingParts=sorted(set(range(1, count + 1)) - etags.keys())[:100])
    if unreadable := [number for number, etag in etags.items() if not _ETAG.fullmatch(etag)]:
        raise PartsMismatch(expectedParts=count, wrongParts=sorted(unreadable)[:100])
    return etags


def _assembled_before(file: SessionFile) -> str | None:
    """Return the ETag of the object that an earlier call assembled, or None if there is none."""
    try:
        return storage.head(file.key).etag
    except ObjectMissing:
        return None


def _lost(session: UploadSession, file: SessionFile) -> InletError:
    """Forget the registration of a file that the bucket has lost. Return what to raise."""
    if files_table.drop(session, file):
        return UploadLost()
    now = upload_sessions_table.get(session.id, session.user_id)
    if now.state != "active":
        return UploadSessionClosed(status=now.state)
    return settled(session, file)
