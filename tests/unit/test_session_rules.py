"""The numbers of upload sessions, and how files are cut into parts."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inlet.errors import FileNotDeclared, SessionFileNotFound
from inlet.upload_sessions.rows import Declared, SessionFile, Slot, UploadSession
from inlet.upload_sessions.rules import MB, RULES

SMALLEST = 5 * MB


def slot(size: int = 1, position: int = 0, file: SessionFile | None = None, filename: str = "a.pdf") -> Slot:
    return Slot(position, Declared("instruction", filename, "application/pdf", size, None), file, None)


def registered(file_id: str) -> SessionFile:
    return SessionFile(file_id, "key", "upload", completed=False, verified=False, etag=None, verified_bytes=0)


def session(*slots: Slot) -> UploadSession:
    now = datetime.now(UTC)
    return UploadSession("id", "ada", "active", False, 0, SMALLEST, None, now, now, None, slots)


@pytest.mark.parametrize(
    ("sizes", "part_bytes"),
    [
        ([1], SMALLEST),
        ([50 * MB], SMALLEST),
        ([SMALLEST * 10_000], SMALLEST),
        ([1, SMALLEST * 10_000 + 1], 6 * MB),
        ([5 * 1024 * 1024 * MB], 525 * MB),
    ],
)
def test_parts_are_as_small_as_they_may_be(sizes: list[int], part_bytes: int) -> None:
    assert RULES.part_bytes(sizes) == part_bytes


@given(st.integers(1, 6 * 1024 * 1024 * MB))
def test_no_file_needs_more_parts_than_s3_takes(size: int) -> None:
    part_bytes = RULES.part_bytes([size])
    assert part_bytes >= SMALLEST
    assert slot(size).part_count(part_bytes) <= 10_000


@given(st.integers(1, 500), st.integers(1, 50), st.integers(1, 20), st.integers(1, 600))
def test_parts_make_the_file(size: int, part_bytes: int, window: int, first: int) -> None:
    every = slot(size).parts(part_bytes, first=1, limit=10_000)
    assert sum(part.size for part in every) == size
    assert [part.number for part in every] == list(range(1, slot(size).part_count(part_bytes) + 1))
    assert {part.size for part in every[:-1]} <= {part_bytes}
    assert 1 <= every[-1].size <= part_bytes
    assert slot(size).parts(part_bytes, first=first, limit=window) == every[first - 1 : first - 1 + window]


def test_files_declared_alike_are_registered_in_turn() -> None:
    taken, free, other = slot(1, 0, registered("f")), slot(1, 1), slot(1, 2, filename="b.pdf")
    alike = taken.declared
    found = session(taken, free, other).slots_for([alike, alike, other.declared, slot(9).declared])
    assert found[:3] == [free, taken, other]
    assert isinstance(found[3], FileNotDeclared)


def test_a_file_is_found_by_its_id_or_its_name() -> None:
    one = session(slot(1, 0, registered("f")), slot(2, 1), slot(3, 2, filename="b.pdf"))
    assert one.slot_of("F")[0].position == 0
    with pytest.raises(SessionFileNotFound):
        one.slot_of("g")
    assert one.declared_as("a.pdf", "application/pdf").size == 2, "the first that is not registered yet"
    with pytest.raises(FileNotDeclared):
        one.declared_as("a.pdf", "image/png")


def test_a_lease_outlives_its_function_and_an_answer_comes_in_time() -> None:
    """A finalizer's lease may lapse only when its function (29 s) is dead."""
    assert 2 * RULES.finalize_reserve_seconds < 29 < RULES.finalize_lease_seconds
    assert RULES.part_url_seconds < RULES.idle_seconds < RULES.purge_grace_seconds
