"""Verifying completed files: is each what it was declared to be? Only here do functions read the bytes.

Reads the first kilobytes of a file without a declared digest, and streams one with a digest, in bounded memory.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, NamedTuple

from inlet import storage
from inlet.errors import ObjectMissing
from inlet.sniffing import HEAD_BYTES, matches, sniff
from inlet.upload_sessions.rows import SessionFile, Slot

type Reason = Literal["missing", "changed", "size", "sha256", "type"]
"""How a file differs: no object, not the one that was completed, another size, another digest, another content."""

_PARALLEL = 8


class Mismatch(NamedTuple):
    """How a file differs from its declaration, and the MIME type it was found to be where that is another."""

    reason: Reason
    found: str | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """Ids of the files that are as declared, the files that differ, and whether the time was too short for others."""

    verified: list[str]
    mismatched: list[tuple[Slot, SessionFile, Mismatch]]
    unfinished: bool


def verify(slots: Sequence[Slot], *, budget_seconds: float) -> Findings:
    """Verify the completed files that no earlier call has verified. Begin none after the budget is spent."""
    deadline = time.monotonic() + budget_seconds

    def look(file: tuple[Slot, SessionFile]) -> tuple[bool, Mismatch | None]:
        return (False, None) if time.monotonic() > deadline else (True, find_mismatch(*file))

    files = [(slot, slot.file) for slot in slots if slot.file is not None and not slot.file.verified]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        found = list(zip(files, pool.map(look, files), strict=True))
    return Findings(
        verified=[file.id for (_, file), (looked, mismatch) in found if looked and mismatch is None],
        mismatched=[(slot, file, mismatch) for (slot, file), (_, mismatch) in found if mismatch is not None],
        unfinished=not all(looked for _, (looked, _) in found),
    )


def find_mismatch(slot: Slot, file: SessionFile) -> Mismatch | None:
    """Return how the stored file differs from its declaration, if it does."""
    declared = slot.declared
    try:
        if declared.sha256 is None:
            (stored, head), sha256 = storage.read_head(file.key, HEAD_BYTES), None
        else:
            stored, head, sha256 = storage.read_head_and_sha256(file.key, HEAD_BYTES)
    except ObjectMissing:
        return Mismatch("missing")
    if stored.etag != file.etag:
        return Mismatch("changed")
    if stored.size != declared.size:
        return Mismatch("size")
    if sha256 != declared.sha256:
        return Mismatch("sha256")
    if matches(declared.mime_type, head, complete=stored.size <= len(head)):
        return None
    found = sniff(head) or "application/octet-stream"
    return Mismatch("type", None if found == declared.mime_type else found)
