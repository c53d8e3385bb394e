"""The `rate_limits` table: fixed windows. One atomic statement counts a call or says when the next is allowed."""

from dataclasses import dataclass
from datetime import datetime

from inlet import database


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the call was counted, and when the window ends (by the database's clock)."""

    allowed: bool
    window_end: datetime
    seconds_left: int


_HIT = """
WITH bounds AS (
    SELECT date_bin(make_interval(secs => %(seconds)s), now(), TIMESTAMPTZ '2000-01-01 00:00:00+00') AS window_start
), hit AS (
    INSERT INTO rate_limits AS counted (key, window_start, window_end, count)
    SELECT %(key)s, window_start, window_start + make_interval(secs => %(seconds)s), 1 FROM bounds WHERE %(limit)s > 0
    ON CONFLICT (key, window_start) DO UPDATE SET count = counted.count + 1 WHERE counted.count < %(limit)s
    RETURNING 1
)
SELECT EXISTS (SELECT FROM hit) AS allowed,
       window_start + make_interval(secs => %(seconds)s) AS window_end,
       ceil(extract(epoch FROM window_start + make_interval(secs => %(seconds)s) - now()))::integer AS seconds_left
  FROM bounds
"""

_PURGE = """
WITH over AS MATERIALIZED (
    SELECT key, window_start FROM rate_limits WHERE window_end < now() LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM rate_limits USING over WHERE (rate_limits.key, rate_limits.window_start) = (over.key, over.window_start)
"""


def hit(key: str, *, limit: int, window_seconds: int) -> Verdict:
    """Count one call for `key`, unless `limit` calls were counted in this window already."""
    row = database.fetch_one_as(Verdict, _HIT, {"key": key, "limit": limit, "seconds": window_seconds})
    assert row is not None  # noqa: S101 - `bounds` always has its one row
    return row


def purge(limit: int) -> int:
    """Delete up to `limit` counters of windows that are over. Return the number deleted."""
    return database.execute(_PURGE, {"limit": limit})
