"""Rate limits. An endpoint checks them before it writes anything else."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from inlet import rate_limits_table
from inlet.errors import LimitExceeded
from inlet.rate_limits_table import Counter, Verdict
from inlet.settings import settings
from inlet.times import iso_utc

HOUR_SECONDS = 3600
DAY_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class Limit:
    """What may happen how often in a fixed window (UTC): all counters must allow it."""

    counters: tuple[Counter, ...]
    window_seconds: int

    @classmethod
    def of(cls, action: str, subjects: Sequence[tuple[str, int]], *, window_seconds: int) -> Self:
        """Return the limit of one `action`. `subjects` are who is counted, each with its number of calls a window.

        The table holds a hash of a subject: it needs no address and no user name.
        """
        return cls(
            tuple(
                Counter(f"{action}:{hashlib.sha256(subject.encode()).hexdigest()[:32]}", most)
                for subject, most in subjects
            ),
            window_seconds,
        )

    def require(self) -> None:
        """Count one call. Raise `LimitExceeded` beyond the limit."""
        if not settings.rate_limit_bypass:
            _refuse_unless_allowed(rate_limits_table.hit(self.counters, window_seconds=self.window_seconds))

    def check(self) -> None:
        """Raise `LimitExceeded` if a call would be beyond the limit. Counts nothing."""
        if not settings.rate_limit_bypass:
            _refuse_unless_allowed(rate_limits_table.peek(self.counters, window_seconds=self.window_seconds))


def _refuse_unless_allowed(verdict: Verdict) -> None:
    if not verdict.allowed:
        raise LimitExceeded(
            retry_after_seconds=max(1, verdict.seconds_left), next_allowed_at=iso_utc(verdict.window_end)
        )
