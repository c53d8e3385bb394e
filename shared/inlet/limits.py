"""Rate limits. An endpoint checks them before it writes anything else."""

import hashlib

from inlet import rate_limits_table
from inlet.errors import LimitExceeded
from inlet.settings import settings
from inlet.times import iso_utc

HOUR_SECONDS = 3600
DAY_SECONDS = 86400


def require(action: str, subject: str, *, limit: int, window_seconds: int) -> None:
    """Count one `action` of `subject`; raise `LimitExceeded` beyond `limit` in the current fixed window (UTC).

    The table holds a hash of the subject: it needs no address and no user name.
    """
    if settings.rate_limit_bypass:
        return
    key = f"{action}:{hashlib.sha256(subject.encode()).hexdigest()[:32]}"
    verdict = rate_limits_table.hit(key, limit=limit, window_seconds=window_seconds)
    if not verdict.allowed:
        raise LimitExceeded(
            retry_after_seconds=max(1, verdict.seconds_left), next_allowed_at=iso_utc(verdict.window_end)
        )
