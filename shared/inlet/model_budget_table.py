"""The day's budget of paid model calls, for the whole stack: one counter in `rate_limits`, by the UTC day.

Table modules put these pieces into the statements that start work and that claim a call, so that the budget is counted
where the money is spent. `%(budget)s` is `calls_per_day()`.
"""

from inlet.settings import settings

# No row while the day has calls left.
SPENT = """
day AS (
    SELECT date_bin('1 day', now(), TIMESTAMPTZ '2000-01-01 00:00:00+00') AS window_start
), spent AS (
    SELECT window_start + interval '1 day' AS window_end,
           ceil(extract(epoch FROM window_start + interval '1 day' - now()))::integer AS seconds_left
      FROM day LEFT JOIN (SELECT * FROM rate_limits WHERE key = 'model-calls') AS counter USING (window_start)
     WHERE coalesce(counter.count, 0) >= %(budget)s
)"""

# `{due}` names the CTE that has a row when a call is to be counted; no row of `counted`, no call.
_COUNTED = """
counted AS (
    INSERT INTO rate_limits AS counter (key, window_start, window_end, count)
    SELECT 'model-calls', window_start, window_start + interval '1 day', 1 FROM day, {due} WHERE %(budget)s > 0
    ON CONFLICT (key, window_start) DO UPDATE SET count = counter.count + 1 WHERE counter.count < %(budget)s
    RETURNING count
)"""

_NO_BUDGET = 2**31 - 1


def counted(due: str) -> str:
    """Return the CTE `counted`, which counts one call if the CTE `due` has its one row and the day has calls left."""
    return _COUNTED.replace("{due}", due)


def calls_per_day() -> int:
    """Return the value of `%(budget)s`."""
    return _NO_BUDGET if settings.rate_limit_bypass else settings.model_calls_per_day
