"""Rows of upload sessions as plain dataclasses, with the rules that need nothing but the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, Self

from inlet.errors import FileNotDeclared, SessionFileNotFound, UploadSessionClosed

type SessionStatus = Literal["active", "finalizing", "completed", "expired", "aborted"]


class Declared(NamedTuple):
    """A file as its client declares it, and again as it registers it. `size` is in bytes, `sha256` base64."""

    category: str
    filename: str
    mime_type: str
    size: int
    sha256: str | None


class PlannedPart(NamedTuple):
    """One part that a file is sent in. `size` is in bytes."""

    number: int
    size: int


@dataclass(frozen=True, slots=True)
class SessionFile:
    """A registered file. `etag` is None until it is completed; `verified_bytes` counts the parts last seen."""

    id: str
    key: str
    multipart_upload_id: str
    completed: bool
    verified: bool
    etag: str | None
    verified_bytes: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A completed file of any session: enough to make a URL of it."""

    id: str
    key: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A declared file: its position in the session, its registration if there is one, and an identical file the user
    uploaded before, if any."""

    position: int
    declared: Declared
    file: SessionFile | None
    duplicate: StoredFile | None

    @classmethod
    def from_json(cls, members: dict[str, Any]) -> Self:
        """Build a slot from the JSON of `_SLOTS` in `upload_sessions_table`."""
        file, duplicate = members["file"], members["duplicate"]
        return cls(
            position=members["position"],
            declared=Declared(**members["declared"]),
            file=SessionFile(**file) if file else None,
            duplicate=StoredFile(**duplicate) if duplicate else None,
        )

    @property
    def state(self) -> Literal["declared", "registered", "completed", "duplicate"]:
        """How far the file is. `duplicate`: there is no need to send it."""
        if self.file is None:
            return "duplicate" if self.duplicate else "declared"
        return "completed" if self.file.completed else "registered"

    @property
    def stored(self) -> StoredFile | None:
        """The completed file that satisfies the declaration: its own, or, while none is registered, its duplicate."""
        if self.file is None:
            return self.duplicate
        return StoredFile(self.file.id, self.file.key) if self.file.completed else None

    def part_count(self, part_bytes: int) -> int:
        """Return how many parts the file has."""
        return -(-self.declared.size // part_bytes)

    def parts(self, part_bytes: int, *, first: int, limit: int) -> list[PlannedPart]:
        """Return up to `limit` parts from number `first` on. All have `part_bytes` but the last."""
        count = self.part_count(part_bytes)
        return [
            PlannedPart(number, part_bytes if number < count else self.declared.size - part_bytes * (count - 1))
            for number in range(first, min(first + limit, count + 1))
        ]


@dataclass(frozen=True, slots=True)
class UploadSession:
    """A session as its owner's requests see it.

    `state` holds now, by the database's clock: an active session past its deadline is `expired` before the sweeper says
    so, and a finalizing one whose finalizer died is `active` again. Then it has `lapsed`: time alone changed its state,
    and no revision.
    """

    id: str
    user_id: str
    state: SessionStatus
    lapsed: bool
    revision: int
    part_size_bytes: int
    companion_token_hash: str | None
    created_at: datetime
    expires_at: datetime
    deletes_at: datetime | None
    slots: Sequence[Slot]

    def require_active(self) -> None:
        """Raise `UploadSessionClosed` unless the session takes files."""
        if self.state != "active":
            raise UploadSessionClosed(status=self.state)

    def slot_of(self, file_id: str) -> tuple[Slot, SessionFile]:
        """Return the registered file of this id and its slot. Raise `SessionFileNotFound`."""
        for slot in self.slots:
            if slot.file is not None and slot.file.id == file_id.lower():
                return slot, slot.file
        raise SessionFileNotFound

    def declared_as(self, filename: str, mime_type: str) -> Declared:
        """Return a declared file of this name and type, preferring one not registered yet. Raise `FileNotDeclared`.

        A name that one declared file alone has finds it whatever its type: browsers on Windows and Android call a CSV
        file `application/vnd.ms-excel`, or nothing at all.
        """
        named = [slot for slot in self.slots if slot.declared.filename == filename]
        alike = named if len(named) == 1 else [slot for slot in named if slot.declared.mime_type == mime_type]
        if not alike:
            raise FileNotDeclared
        return next((slot for slot in alike if slot.file is None), alike[0]).declared

    def slots_for(self, files: Sequence[Declared]) -> list[Slot | FileNotDeclared]:
        """Return the slot of each file to register, or why there is none.

        Files may be declared alike. Each then takes the next slot without a registration, and the first slot again when
        all are registered: so registering the same file twice gives the first answer.
        """
        free: dict[Declared, list[Slot]] = {}
        first: dict[Declared, Slot] = {}
        for slot in self.slots:
            first.setdefault(slot.declared, slot)
            if slot.file is None:
                free.setdefault(slot.declared, []).append(slot)
        found: list[Slot | FileNotDeclared] = []
        for file in files:
            if file not in first:
                found.append(FileNotDeclared())
            else:
                found.append(free[file].pop(0) if free.get(file) else first[file])
        return found
