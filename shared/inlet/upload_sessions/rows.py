"""Upload sessions as their rows say, in plain dataclasses, and the rules that need nothing but the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, Self

from inlet.errors import FileNotDeclared, SessionFileNotFound, UploadSessionClosed

type SessionStatus = Literal["active", "finalizing", "completed", "expired", "aborted"]


class Declared(NamedTuple):
    """What a client says of a file; registering it means saying the same again. `size` in bytes, `sha256` base64."""

    category: str
    filename: str
    mime_type: str
    size: int
    sha256: str | None


class Part(NamedTuple):
    """One part of a file; `size` in bytes."""

    number: int
    size: int


@dataclass(frozen=True, slots=True)
class SessionFile:
    """A registered file. `etag` is None until it is completed; `uploaded_bytes` are those of parts last seen."""

    id: str
    key: str
    multipart_upload_id: str
    completed: bool
    verified: bool
    etag: str | None
    uploaded_bytes: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A completed file, wherever its session: enough to make a URL of it."""

    id: str
    key: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A declared file: its place in the session, its registration if there is one, and an equal file of earlier."""

    position: int
    declared: Declared
    file: SessionFile | None
    duplicate: StoredFile | None

    @classmethod
    def from_json(cls, members: dict[str, Any]) -> Self:
        """Of the JSON that the database makes of one."""
        file, duplicate = members["file"], members["duplicate"]
        return cls(
            position=members["position"],
            declared=Declared(**members["declared"]),
            file=SessionFile(**file) if file else None,
            duplicate=StoredFile(**duplicate) if duplicate else None,
        )

    @property
    def state(self) -> Literal["declared", "registered", "completed", "duplicate"]:
        """How far the file is; `duplicate`: there is no need to send it."""
        if self.file is None:
            return "duplicate" if self.duplicate else "declared"
        return "completed" if self.file.completed else "registered"

    @property
    def stored(self) -> StoredFile | None:
        """What satisfies the declaration: the file, once completed; while none is registered, its duplicate."""
        if self.file is None:
            return self.duplicate
        return StoredFile(self.file.id, self.file.key) if self.file.completed else None

    def part_count(self, part_bytes: int) -> int:
        """How many parts the file has."""
        return -(-self.declared.size // part_bytes)

    def parts(self, part_bytes: int, *, first: int, limit: int) -> list[Part]:
        """Up to `limit` parts from number `first` on: equal but for the last."""
        count = self.part_count(part_bytes)
        return [
            Part(number, part_bytes if number < count else self.declared.size - part_bytes * (count - 1))
            for number in range(first, min(first + limit, count + 1))
        ]


@dataclass(frozen=True, slots=True)
class UploadSession:
    """A session as its owner's requests see it.

    `state` is what holds now by the database's clock: an active session past its deadline is `expired` before the
    sweeper says so, a finalizing one whose finalizer died is `active` again.
    """

    id: str
    user_id: str
    state: SessionStatus
    part_size_bytes: int
    companion_token_hash: str | None
    created_at: datetime
    expires_at: datetime
    slots: Sequence[Slot]

    def require_active(self) -> None:
        """Raise `UploadSessionClosed` unless the session takes files."""
        if self.state != "active":
            raise UploadSessionClosed(status=self.state)

    def slot_of(self, file_id: str) -> tuple[Slot, SessionFile]:
        """The registered file of this id and its slot; raises `SessionFileNotFound`."""
        for slot in self.slots:
            if slot.file is not None and slot.file.id == file_id.lower():
                return slot, slot.file
        raise SessionFileNotFound

    def declared_as(self, filename: str, mime_type: str) -> Declared:
        """A declared file of this name and type, one not registered yet if there is one; raises `FileNotDeclared`."""
        alike = [slot for slot in self.slots if slot.declared[1:3] == (filename, mime_type)]
        if not alike:
            raise FileNotDeclared
        return next((slot for slot in alike if slot.file is None), alike[0]).declared

    def slots_for(self, files: Sequence[Declared]) -> list[Slot | FileNotDeclared]:
        """The slot of each file to register, or why there is none.

        Files may be declared alike: each then takes the next slot without a registration, and the first one again when
        all are registered, which is what makes registering the same file twice give the first answer.
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
