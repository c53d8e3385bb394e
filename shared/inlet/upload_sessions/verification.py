"""Verifying completed files: is each what it was declared to be? Only here do functions read the bytes.

Reads the first kilobytes of a file without a declared digest, and streams one with a digest, in bounded memory.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import batched
from typing import Literal, NamedTuple

from inlet import storage
from inlet.deadline import Deadline
from inlet.errors import ObjectMissing, StorageUnavailable
from inlet.sniffing import HEAD_BYTES, matches, sniff
from inlet.upload_sessions.rows import SessionFile, Slot

type Reason = Literal["missing", "changed", "size", "sha256", "type"]
"""How a file differs: no object, not the one that was completed, another size, another digest, another content."""

BATCH = 16
"""How many files are looked into before it is written down."""
_PARALLEL = 8


class Mismatch(NamedTuple):
    """How a file differs from its declaration, and the MIME type it was found to be where that is another."""

    reason: Reason
    found: str | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """Ids of the files that are as declared, the files that differ, and what kept us from looking into others."""

    verified: list[str]
    mismatched: list[tuple[Slot, SessionFile, Mismatch]]
    out_of_time: bool
    failure: StorageUnavailable | None


type _Verdict = Literal["as declared", "out of time"] | Mismatch | StorageUnavailable


def verify(slots: Sequence[Slot], deadline: Deadline, keep: Callable[[list[str]], None]) -> Findings:
    """Verify the completed files that no earlier call has verified. Begin none after the deadline.

    One file that the bucket does not give takes nothing from what was found out about the others. `keep` is told which
    files are as declared whenever further ones come: a function that is killed has not looked into them for nothing.
    """

    def look(file: tuple[Slot, SessionFile]) -> _Verdict:
        if deadline.passed:
            return "out of time"
        try:
            return find_mismatch(*file) or "as declared"
        except StorageUnavailable as error:
            return error

    files = [(slot, slot.file) for slot in slots if slot.file is not None and not slot.file.verified]
    found: list[tuple[tuple[Slot, SessionFile], _Verdict]] = []
    with ThreadPoolExecutor(_PARALLEL) as pool:
        for batch in batched(files, BATCH, strict=False):
            if found:
                keep([file.id for (_, file), verdict in found[-BATCH:] if verdict == "as declared"])
            found += zip(batch, pool.map(look, batch), strict=True)
    return Findings(
        verified=[file.id for (_, file), verdict in found if verdict == "as declared"],
        mismatched=[(slot, file, verdict) for (slot, file), verdict in found if isinstance(verdict, Mismatch)],
        out_of_time=any(verdict == "out of time" for _, verdict in found),
        failure=next((verdict for _, verdict in found if isinstance(verdict, StorageUnavailable)), None),
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
