"""Looking into completed files: is each what it was declared to be? The only time that functions touch the bytes.

Of a file without a declared digest the first kilobytes are read; one with a digest is streamed, in bounded memory.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from inlet import storage
from inlet.errors import ObjectMissing
from inlet.sniffing import HEAD_BYTES, matches
from inlet.upload_sessions.rows import SessionFile, Slot

type Lie = Literal["missing", "changed", "size", "sha256", "type"]
"""What is not as declared: no object, not the one that was completed, another size, another digest, another content."""

_PARALLEL = 8


@dataclass(frozen=True, slots=True)
class Findings:
    """Ids of the files that are as declared, the liars, and whether the time was too short for the others."""

    verified: list[str]
    liars: list[tuple[Slot, SessionFile, Lie]]
    unfinished: bool


def verify(slots: Sequence[Slot], *, budget_seconds: float) -> Findings:
    """Look into the completed files that no earlier call has looked into; begin none after the budget is spent."""
    deadline = time.monotonic() + budget_seconds

    def look(file: tuple[Slot, SessionFile]) -> tuple[bool, Lie | None]:
        return (False, None) if time.monotonic() > deadline else (True, find_lie(*file))

    files = [(slot, slot.file) for slot in slots if slot.file is not None and not slot.file.verified]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        found = list(zip(files, pool.map(look, files), strict=True))
    return Findings(
        verified=[file.id for (_, file), (looked, lie) in found if looked and lie is None],
        liars=[(slot, file, lie) for (slot, file), (_, lie) in found if lie is not None],
        unfinished=not all(looked for _, (looked, _) in found),
    )


def find_lie(slot: Slot, file: SessionFile) -> Lie | None:
    """What is not as declared, if anything."""
    declared = slot.declared
    try:
        if declared.sha256 is None:
            (stored, head), sha256 = storage.read_head(file.key, HEAD_BYTES), None
        else:
            stored, head, sha256 = storage.read_head_and_sha256(file.key, HEAD_BYTES)
    except ObjectMissing:
        return "missing"
    if stored.etag != file.etag:
        return "changed"
    if stored.size != declared.size:
        return "size"
    if sha256 != declared.sha256:
        return "sha256"
    return None if matches(declared.mime_type, head, complete=stored.size <= len(head)) else "type"
