"""Registering files: each gets one multipart upload, and a row that knows it.

The multipart upload is opened first and its row entered after. Two calls that register the same file both open one; the
row keeps the first, and the second is aborted at once. If the function dies between the two steps, the open upload has
no row: the next call opens another, and the sweeper aborts it when the session has ended. So a row always has an open
upload, and no upload outlives its session.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from inlet import identifiers, keys, multipart_uploads
from inlet.errors import InletError, StorageUnavailable, UploadSessionClosed
from inlet.upload_sessions import files_table
from inlet.upload_sessions.files_table import OpenedFile
from inlet.upload_sessions.messages import PartUrl, RegisteredFile
from inlet.upload_sessions.rows import Declared, SessionFile, Slot, UploadSession
from inlet.upload_sessions.rules import RULES

SIGNED_PARTS = 100
"""How many parts a registration signs at once."""
_PARALLEL = 8


@dataclass(frozen=True, slots=True)
class Registration:
    """A registered file, whether this call registered it, and how many seconds its session has left."""

    slot: Slot
    file: SessionFile
    is_new: bool
    seconds_left: int

    def reply(self, part_bytes: int) -> RegisteredFile:
        """Return what a client needs to send the file. A completed file has no parts left to send."""
        parts = [] if self.file.completed else self.slot.parts(part_bytes, first=1, limit=SIGNED_PARTS)
        return RegisteredFile(
            file_id=self.file.id,
            upload_id=self.file.multipart_upload_id,
            parts=[
                PartUrl(part_number=number, url=sign_part(self.file, number, size, self.seconds_left), size=size)
                for number, size in parts
            ],
        )


def sign_part(file: SessionFile, number: int, size: int, seconds_left: int) -> str:
    """Sign the PUT of one part. The URL expires before the session would without another call."""
    seconds = min(seconds_left, RULES.part_url_seconds)
    return multipart_uploads.sign_part(file.key, file.multipart_upload_id, number, size=size, seconds=seconds)


def register(session: UploadSession, files: Sequence[Declared]) -> list[Registration | InletError]:
    """Register each file, or return why not, in order. Raise `UploadSessionClosed`."""
    session.require_active()
    slots = session.slots_for(files)
    opened = _open_all(session, [slot for slot in slots if isinstance(slot, Slot) and slot.file is None])
    standing = _enter(session, [file for file in opened.values() if isinstance(file, OpenedFile)])

    outcomes: list[Registration | InletError] = []
    seen: set[int] = set()
    for slot in slots:
        if isinstance(slot, InletError):
            outcomes.append(slot)
            continue
        own = opened.get(slot.position)
        if isinstance(own, InletError):
            outcomes.append(own)
            continue
        file = slot.file or standing.files[slot.position]
        is_new = own is not None and own.id == file.id and slot.position not in seen
        seen.add(slot.position)
        outcomes.append(Registration(slot, file, is_new, standing.seconds_left))
    return outcomes


def _open_all(session: UploadSession, slots: Sequence[Slot]) -> dict[int, OpenedFile | StorageUnavailable]:
    """Open one multipart upload for each slot, several at a time."""
    distinct = {slot.position: slot for slot in slots}
    if len(distinct) < 2:
        return {position: _open(session, slot) for position, slot in distinct.items()}
    with ThreadPoolExecutor(_PARALLEL) as pool:
        return dict(zip(distinct, pool.map(lambda slot: _open(session, slot), distinct.values()), strict=True))


def _open(session: UploadSession, slot: Slot) -> OpenedFile | StorageUnavailable:
    file_id = identifiers.new_uuid()
    key = keys.session_file(session.id, file_id)
    try:
        upload_id = multipart_uploads.begin(key, content_type=slot.declared.mime_type)
    except StorageUnavailable as error:
        return error
    return OpenedFile(file_id, slot.position, key, upload_id)


def _enter(session: UploadSession, opened: Sequence[OpenedFile]) -> files_table.Standing:
    """Enter the uploads in the table, and abort those that came second, or too late."""
    try:
        standing = files_table.register(session, opened)
    except UploadSessionClosed:
        _drop(opened)
        raise
    _drop([file for file in opened if standing.files[file.position].id != file.id])
    return standing


def _drop(opened: Sequence[OpenedFile]) -> None:
    for file in opened:
        with suppress(StorageUnavailable):  # then the sweeper does it
            multipart_uploads.abort(file.key, file.multipart_upload_id)
