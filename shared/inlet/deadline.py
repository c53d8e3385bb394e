"""Time that is left: of an invocation, or of one's share of it."""

import time
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the monotonic clock, in seconds."""

    moment: float

    @classmethod
    def of(cls, context: Any, *, reserve_seconds: float) -> Self:
        """Return the deadline of an invocation, `reserve_seconds` before Lambda would end it."""
        return cls(time.monotonic() + context.get_remaining_time_in_millis() / 1000 - reserve_seconds)

    @property
    def seconds_left(self) -> float:
        """How long it is until then; negative afterwards."""
        return self.moment - time.monotonic()

    @property
    def passed(self) -> bool:
        """Whether it is time to stop."""
        return self.seconds_left <= 0

    def share(self, parts: int) -> "Deadline":
        """Return the deadline of the next of `parts` equal parts of what is left."""
        return Deadline(time.monotonic() + self.seconds_left / parts)
