"""The `rate_limits` table: fixed windows. One atomic statement counts a call or says when the next is allowed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from inlet import database


@dataclass(frozen=True, slots=True)
class Counter:
    """A key, and how many calls it may count in a window."""

    key: str
    most: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the call is allowed, and when the window ends (by the database's clock)."""

    allowed: bool
    window_end: datetime
    seconds_left: int


# `spent` is there when a counter is used up. Then none counts: refused calls must not use up the others.
_COUNTERS = """
bounds AS (
    SELECT date_bin(make_interval(secs => %(seconds)s), now(), TIMESTAMPTZ '2000-01-01 00:00:00+00') AS window_start
), wanted AS (
    SELECT counter.key, counter.most, window_start
      FROM bounds, jsonb_to_recordset(%(counters)s::jsonb) AS counter (key text, most integer)
), spent AS (
    SELECT FROM wanted LEFT JOIN rate_limits AS counted USING (key, window_start)
     WHERE coalesce(counted.count, 0) >= wanted.most
)"""

_WINDOW = """
       window_start + make_interval(secs => %(seconds)s) AS window_end,
       ceil(extract(epoch FROM window_start + make_interval(secs => %(seconds)s) - now()))::integer AS seconds_left
  FROM bounds
"""

_HIT = f"""
WITH {_COUNTERS}, hit AS (
    INSERT INTO rate_limits AS counted (key, window_start, window_end, count)
    SELECT key, window_start, window_start + make_interval(secs => %(seconds)s), 1 FROM wanted
     WHERE NOT EXISTS (SELECT FROM spent) ORDER BY key
    ON CONFLICT (key, window_start) DO UPDATE SET count = counted.count + 1
     WHERE counted.count < (SELECT most FROM wanted WHERE wanted.key = counted.key)
    RETURNING 1
)
SELECT (SELECT count(*) FROM hit) = (SELECT count(*) FROM wanted) AS allowed, {_WINDOW}"""

_PEEK = f"""
WITH {_COUNTERS}
SELECT NOT EXISTS (SELECT FROM spent) AS allowed, {_WINDOW}"""

_PURGE = """
WITH over AS MATERIALIZED (
    SELECT key, window_start FROM rate_limits WHERE window_end < now() LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM rate_limits USING over WHERE (rate_limits.key, rate_limits.window_start) = (over.key, over.window_start)
"""


def hit(counters: Sequence[Counter], *, window_seconds: int) -> Verdict:
    """Count one call on every counter, or on none when one of them is used up in this window."""
    return _verdict(database.fetch_one_as(Verdict, _HIT, _parameters(counters, window_seconds)))


def peek(counters: Sequence[Counter], *, window_seconds: int) -> Verdict:
    """Tell whether `hit` would be allowed, and count nothing."""
    return _verdict(database.fetch_one_as(Verdict, _PEEK, _parameters(counters, window_seconds)))


def purge(limit: int) -> int:
    """Delete up to `limit` counters of windows that are over. Return the number deleted."""
    return database.execute(_PURGE, {"limit": limit})


def _parameters(counters: Sequence[Counter], window_seconds: int) -> dict[str, str | int]:
    return {"counters": json.dumps([asdict(counter) for counter in counters]), "seconds": window_seconds}


def _verdict(row: Verdict | None) -> Verdict:
    assert row is not None  # noqa: S101 - `bounds` always has its one row
    return row
