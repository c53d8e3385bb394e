"""Completing files: the bucket assembles their parts, then the rows say so.

If the function dies between the two steps, or the client retries after a lost reply, the object exists and the
multipart upload does not. HEAD decides; the row is updated to match.

Many files are assembled several at a time, and all their rows change in one statement. Each is looked into while the
client still sends others, so that finalizing finds little left to do; what is not as declared is left for it to name.
"""

import math
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from inlet import downloads, metrics, multipart_uploads, storage
from inlet.deadline import Deadline
from inlet.errors import (
    FileAlreadyCompleted,
    InletError,
    MultipartUploadGone,
    ObjectMissing,
    PartsMismatch,
    PartsRefused,
    SessionFileNotFound,
    StorageUnavailable,
    UploadLost,
    UploadSessionClosed,
)
from inlet.headers import bare_etag
from inlet.upload_sessions import files_table, upload_sessions_table
from inlet.upload_sessions.files_table import AssembledFile
from inlet.upload_sessions.rows import SessionFile, Slot, UploadSession
from inlet.upload_sessions.verification import find_mismatch

type Parts = Sequence[tuple[int, str]]
"""Number and ETag of each part, the ETag with or without quotes."""

_ETAG = re.compile(r"[!#-~]{1,100}")
_PARALLEL = 8
_NEVER = Deadline(math.inf)


def complete(session: UploadSession, file: SessionFile, parts: Parts) -> str:
    """Complete a file of these parts. Return the file's URL.

    Raises `FileAlreadyCompleted`, `UploadSessionClosed`, `PartsMismatch` or `UploadLost`. Calls the bucket once, or
    twice after a lost reply.
    """
    [completed] = complete_all(session, {file.id: parts}, _NEVER, look=False)
    if isinstance(completed, InletError):
        raise completed
    return completed


def complete_all(
    session: UploadSession, wanted: Mapping[str, Parts], deadline: Deadline, *, look: bool = True
) -> list[str | InletError]:
    """Complete files, given the parts of each by its id. Return each file's URL, or why it is not completed, in order.

    Begins none after the deadline: those are left to another call. `look`: also verify what needs no digest.
    """

    def assemble(file_id: str) -> AssembledFile | SessionFile | InletError:
        """Return the file itself where the bucket has lost it: only the caller's thread may speak to the database."""
        if deadline.passed:
            return StorageUnavailable("Storage took too long with other files")
        try:
            slot, file = session.slot_of(file_id)
            assembled = _assemble(session, slot, file, wanted[file_id])
        except InletError as error:
            return error
        if assembled is None:
            return file
        return replace(assembled, verified=look and not deadline.passed and _is_as_declared(assembled))

    if len(wanted) < 2:
        found = [assemble(file_id) for file_id in wanted]
    else:
        with ThreadPoolExecutor(_PARALLEL) as pool:
            found = list(pool.map(assemble, wanted))
    entered = _enter(session, [one for one in found if isinstance(one, AssembledFile)])

    def completed(one: AssembledFile | SessionFile | InletError) -> str | InletError:
        if isinstance(one, InletError):
            return one
        if isinstance(one, SessionFile):
            return _lost(session, one)
        if isinstance(entered, UploadSessionClosed):
            return entered
        if one.file.id in entered:
            return downloads.url(one.file.key, one.slot.declared.filename)
        return settled(session, one.file)

    return [completed(one) for one in found]


def outcome(session: UploadSession, slot: Slot, file: SessionFile) -> InletError:
    """Return what became of a file whose multipart upload is gone: there is nothing left to send.

    Completes its row if the object is there (`FileAlreadyCompleted`), else forgets the registration (`UploadLost`).
    """
    etag = _assembled_before(file)
    if etag is None:
        return _lost(session, file)
    _complete_rows(session, [AssembledFile(slot, file, etag, {})])
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


def _assemble(session: UploadSession, slot: Slot, file: SessionFile, parts: Parts) -> AssembledFile | None:
    """Have the bucket assemble a file. Return None if it has lost it. Raise what else `complete` does."""
    require_incomplete(slot, file)
    session.require_active()
    etags = _checked(parts, slot.part_count(session.part_size_bytes))
    try:
        etag = multipart_uploads.complete(file.key, file.multipart_upload_id, etags)
    except PartsRefused as error:
        raise PartsMismatch(expectedParts=len(etags)) from error
    except MultipartUploadGone:
        assembled = _assembled_before(file)
        if assembled is None:
            return None
        etag = assembled
    return AssembledFile(slot, file, etag, etags)


def _is_as_declared(assembled: AssembledFile) -> bool:
    """Tell whether a file certainly is what was declared. One with a digest would have to be read as a whole."""
    if assembled.slot.declared.sha256 is not None:
        return False
    try:
        return find_mismatch(assembled.slot, replace(assembled.file, etag=assembled.etag)) is None
    except StorageUnavailable:
        return False


def _enter(session: UploadSession, assembled: Sequence[AssembledFile]) -> set[str] | UploadSessionClosed:
    """Change the rows. Return the ids of the files that this call has completed, or that the session has ended."""
    try:
        return _complete_rows(session, assembled) if assembled else set()
    except UploadSessionClosed as closed:
        return closed


def _complete_rows(session: UploadSession, assembled: Sequence[AssembledFile]) -> set[str]:
    """Change the rows. Return the ids of the files that this call has completed. Raise `UploadSessionClosed`."""
    completed = files_table.complete(session, assembled)
    if arrived := [one.slot.declared.size for one in assembled if one.file.id in completed]:
        metrics.put({"BytesConfirmed": sum(arrived)}, family="upload_sessions")
    return completed


def _checked(parts: Parts, count: int) -> dict[int, str]:
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
