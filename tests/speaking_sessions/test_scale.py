"""A hundred thousand sessions of one user: a page is read by an index."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from inlet.speaking_sessions import speaking_sessions_table
from tests.support.stacks import Rows
from tests.support.worlds.speaking_sessions import SUB


@pytest.fixture(scope="session")
def hundred_thousand(make_database: Callable[[], str]) -> Iterator[Rows]:
    """100,000 sessions of one user among 20,000 of others."""
    with psycopg.connect(make_database(), autocommit=True, row_factory=dict_row) as connection:
        # VACUUM marks pages as visible to all only once their rows' commits are on disk.
        connection.execute("SET synchronous_commit = on")
        connection.execute(
            "INSERT INTO users (external_id) SELECT %s UNION ALL SELECT 'other' || n FROM generate_series(1, 20) n",
            [SUB],
        )
        connection.execute(
            """
            INSERT INTO speaking_sessions (user_id, status, duration_secs, audio_key, content_type, size, created_at)
            SELECT users.id, 'UPLOADED', 1, 'sessions/' || users.id || '/' || n, 'audio/wav', 1,
                   now() - make_interval(secs => n)
              FROM users, generate_series(1, CASE external_id WHEN %s THEN 100000 ELSE 1000 END) AS n
            """,
            [SUB],
        )
        connection.execute("VACUUM ANALYZE speaking_sessions")
        yield connection


@pytest.mark.parametrize(("page", "limit"), [(1, 10), (1, 100), (5000, 10)])
def test_a_hundred_thousand_sessions_stay_on_an_index(hundred_thousand: Rows, page: int, limit: int) -> None:
    explained = hundred_thousand.execute(
        "EXPLAIN (ANALYZE, FORMAT JSON) " + speaking_sessions_table._PAGE,
        {"sub": SUB, "limit": limit, "offset": (page - 1) * limit},
    ).fetchall()[0]["QUERY PLAN"][0]
    plan = list(nodes(explained["Plan"]))
    scans = {
        (node["Node Type"], node.get("Index Name"), node["Actual Rows"] * node["Actual Loops"])
        for node in plan
        if node.get("Relation Name") == "speaking_sessions"
    }
    assert scans == {
        ("Index Only Scan", "speaking_sessions_page", 100_000),  # the total
        ("Index Only Scan", "speaking_sessions_page", page * limit),  # up to the page's end, and not further
        ("Index Scan", "speaking_sessions_pkey", limit),  # the page's own rows
    }
    assert [node["Actual Rows"] for node in plan if node["Node Type"] == "Sort"] == [limit]
    assert explained["Execution Time"] < 1000  # milliseconds


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)
