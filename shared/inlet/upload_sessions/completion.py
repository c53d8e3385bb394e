"""Completing a file: the bucket assembles the parts, then the row says so.

Killed between the two, or told so late that the client asked again, the object is there and its upload is gone: the
bucket's HEAD decides, and the row follows.
"""

import re
from typing import NoReturn

from inlet import downloads, multipart_uploads, storage
from inlet.errors import (
    FileAlreadyCompleted,
    MultipartUploadGone,
    ObjectMissing,
    PartsMismatch,
    PartsRefused,
    UploadLost,
)
from inlet.upload_sessions import files_table, upload_sessions_table
from inlet.upload_sessions.rows import SessionFile, Slot, UploadSession

_ETAG = re.compile(r"[!#-~]{1,100}")


def complete(session: UploadSession, slot: Slot, file: SessionFile, parts: list[tuple[int, str]]) -> str:
    """Complete a file of these parts (number and ETag, with or without quotes); the file's URL.

    Raises `FileAlreadyCompleted`, `UploadSessionClosed`, `PartsMismatch`, `UploadLost`. One call to the bucket, or two.
    """
    refuse_completed(slot, file)
    session.require_active()
    etags = _checked(parts, slot.part_count(session.part_size_bytes))
    try:
        etag = multipart_uploads.complete(file.key, file.multipart_upload_id, etags)
    except PartsRefused as error:
        raise PartsMismatch(expectedParts=len(etags)) from error
    except MultipartUploadGone:
        etag = _assembled_before(session, file)
    if not files_table.complete(session, slot, file, etag, etags):
        refuse_settled(session, file)
    return downloads.url(file.key, slot.declared.filename)


def finish(session: UploadSession, slot: Slot, file: SessionFile) -> NoReturn:
    """For a file whose upload is gone: complete its row if the object is there, else forget the registration.

    Raises `FileAlreadyCompleted` or `UploadLost`: there is nothing left to send either way.
    """
    files_table.complete(session, slot, file, _assembled_before(session, file), {})
    refuse_settled(session, file)


def refuse_completed(slot: Slot, file: SessionFile) -> None:
    """Raise `FileAlreadyCompleted`, with the URL for a client that lost the first answer."""
    if file.completed:
        raise FileAlreadyCompleted(fileUrl=downloads.url(file.key, slot.declared.filename))


def refuse_settled(session: UploadSession, file: SessionFile) -> NoReturn:
    """Say what became of a file that stopped waiting for parts while this call was under way.

    Raises `FileAlreadyCompleted`, or `SessionFileNotFound` when the registration is gone.
    """
    refuse_completed(*upload_sessions_table.get(session.id, session.user_id).slot_of(file.id))
    raise FileAlreadyCompleted


def _checked(parts: list[tuple[int, str]], count: int) -> dict[int, str]:
    """Parts 1 to `count`, each once, with an ETag; anything else is a `PartsMismatch`."""
    etags = {number: etag.strip('"') for number, etag in parts}
    if len(etags) != len(parts) or etags.keys() != set(range(1, count + 1)):
        raise PartsMismatch(expectedParts=count, missingParts=sorted(set(range(1, count + 1)) - etags.keys())[:100])
    if unreadable := [number for number, etag in etags.items() if not _ETAG.fullmatch(etag)]:
        raise PartsMismatch(expectedParts=count, wrongParts=sorted(unreadable)[:100])
    return etags


def _assembled_before(session: UploadSession, file: SessionFile) -> str:
    """The ETag of the object that an earlier call assembled; raises `UploadLost`."""
    try:
        return storage.head(file.key).etag
    except ObjectMissing as error:
        if files_table.drop(session, file):
            raise UploadLost from error
        upload_sessions_table.get(session.id, session.user_id).require_active()
        refuse_settled(session, file)
