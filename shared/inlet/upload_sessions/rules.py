"""The rules of upload sessions in one object: categories, sizes, deadlines. Sizes are in bytes; 1 MB is 1,048,576."""

from dataclasses import dataclass

MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Category:
    """The largest size and the MIME types of one category of files."""

    max_bytes: int
    mime_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UploadSessionRules:
    """Every number of upload sessions but the daily limit, which is the setting `UPLOAD_SESSIONS_PER_DAY`."""

    categories: dict[str, Category]
    required_category: str
    max_files: int
    registered_at_once: int
    """How many files a session's creation may register: as many as it opens at the same time."""

    idle_seconds: int
    """How long a session lives after its last accepted call."""
    max_age_seconds: int
    """How long it lives at most, however active."""
    part_url_seconds: int
    """How long a part's URL lives at most: less than an idle session, so a client that meets a dead one is in time."""
    finalize_lease_seconds: int
    """How long a finalizer counts as alive: longer than its function may run."""
    finalize_reserve_seconds: int
    """How long before its function's end a finalizer begins no further file: the last one and the commit take less."""
    complete_reserve_seconds: int
    """How long before its function's end a batch begins to complete no further file: the bucket may take so long."""
    purge_grace_seconds: int
    """How long after a session's end a call or a PUT begun before it may still leave something in the bucket."""

    ended_days: int
    """How long an unfinished session is kept after its end, with the names of its files: as a record, at most."""

    companion_grace_seconds: int
    """How long after a session's completion its capability still answers, for a client that lost an answer."""

    min_part_bytes: int
    """The smallest part that S3 takes, the last aside. R2 wants all but the last equal, so a session has one size."""
    max_parts: int
    max_listed_parts: int
    """How many parts one answer lists and signs."""

    def part_bytes(self, sizes: list[int]) -> int:
        """Return the part size of a session with files of these sizes: the smallest that needs at most `max_parts`."""
        needed = -(-max(sizes) // self.max_parts)
        return max(self.min_part_bytes, -(-needed // MB) * MB)


RULES = UploadSessionRules(
    categories={
        "instruction": Category(50 * MB, ("application/pdf",)),
        "image": Category(10 * MB, ("image/jpeg", "image/png", "image/webp", "image/heic")),
        "parts-list": Category(5 * MB, ("text/csv", "text/plain", "application/json", "application/xml", "text/xml")),
    },
    required_category="instruction",
    max_files=50,
    registered_at_once=8,
    idle_seconds=15 * 60,
    max_age_seconds=24 * 60 * 60,
    part_url_seconds=10 * 60,
    finalize_lease_seconds=60,
    finalize_reserve_seconds=14,
    complete_reserve_seconds=18,
    purge_grace_seconds=20 * 60,
    ended_days=30,
    companion_grace_seconds=5 * 60,
    min_part_bytes=5 * MB,
    max_parts=10_000,
    max_listed_parts=1_000,
)
