"""No concurrency left: the deployed state machine waits in line, and nobody loses a job or an attempt to it.

Lambda refuses what exceeds a function's reserved concurrency, here as there. Time is the engine's: its waits and the
model's call take a six-hundredth of theirs on AWS.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from psycopg.rows import dict_row

from inlet import identifiers, keys
from local.stack import LocalStack
from tests.support import gemini_stand_in, invocations
from tests.support.photographs import PHOTOGRAPH
from tests.support.stacks import Rows

FASTER = 600
CALL_SECONDS = 60
AT_ONCE = 2
JOBS = 50
STAGES = [f"ImageStages{stage}Function" for stage in ("Validate", "Generate", "Store", "Watermark", "Complete")]


def slow_picture(handler: Any) -> None:
    """Answer after as long as a model takes."""
    time.sleep(CALL_SECONDS / FASTER)
    gemini_stand_in.picture(PHOTOGRAPH, "image/png")(handler)


@pytest.fixture
def gemini() -> Iterator[gemini_stand_in.GeminiStandIn]:
    with gemini_stand_in.GeminiStandIn() as stand_in:
        stand_in.script(*[slow_picture] * JOBS)
        yield stand_in


@pytest.fixture
def narrow_stack(
    start_stack: Callable[..., LocalStack], gemini: gemini_stand_in.GeminiStandIn, monkeypatch: pytest.MonkeyPatch
) -> LocalStack:
    """A stack whose stages run twice at once at most: generate by its parameter, the others as in a busy account."""
    hurried = SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / FASTER))
    monkeypatch.setitem(vars(retrier_decl), "time", hurried)
    stack = start_stack(
        GENERATOR="gemini",
        GEMINI_API_KEY="k",
        GEMINI_BASE_URL=gemini.url,
        GENERATE_CONCURRENCY=str(AT_ONCE),
        RATE_LIMIT_BYPASS="true",
    )
    functions = stack.template.functions
    assert functions["ImageStagesGenerateFunction"].concurrency == AT_ONCE
    for name in STAGES:
        functions[name] = replace(functions[name], concurrency=AT_ONCE)
    return stack


@pytest.fixture
def narrow_rows(narrow_stack: LocalStack) -> Iterator[Rows]:
    with psycopg.connect(narrow_stack.database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


def start(stack: LocalStack, rows: Rows) -> None:
    """Reserve, PUT and confirm by hand, since only what follows is to be seen; then process."""
    upload_id, token = identifiers.new_upload_id(), identifiers.new_token()
    key = keys.original(upload_id, "png")
    put = stack.storage.put_object(Bucket=stack.bucket, Key=key, Body=PHOTOGRAPH, ContentType="image/png")
    rows.execute(
        "INSERT INTO uploads (id, email, session_token_hash, original_url, content_type, etag, confirmed_at)"
        " VALUES (%s, 'somebody@example.com', %s, %s, 'image/png', %s, now())",
        (upload_id, identifiers.token_hash(token), key, put["ETag"].strip('"')),
    )
    outcome = stack.sandboxes.invoke("ImageJobsProcessFunction", invocations.process(upload_id, token))
    assert outcome.payload["statusCode"] == 202, outcome


def statuses(rows: Rows) -> dict[str, int]:
    found = rows.execute("SELECT status, count(*) FROM uploads GROUP BY status").fetchall()
    return {row["status"]: row["count"] for row in found}


def test_fifty_jobs_on_two_executions_all_complete_and_are_paid_once(
    narrow_stack: LocalStack, narrow_rows: Rows, gemini: gemini_stand_in.GeminiStandIn
) -> None:
    for _ in range(JOBS):
        start(narrow_stack, narrow_rows)

    # Hours later for the database: a sweeper meets a line of jobs that have not moved for long.
    narrow_rows.execute("UPDATE uploads SET updated_at = now() - interval '5 hours' WHERE status = 'processing'")
    swept = narrow_stack.sandboxes.invoke("OperationsSweepFunction", {}).payload
    assert (swept["started"], swept["failed"]) == (0, 0), "who waits is not lost"
    assert statuses(narrow_rows)["processing"] > 5 * AT_ONCE, "a long line, or nothing is shown here"

    deadline = time.monotonic() + 60
    while statuses(narrow_rows).get("processing"):
        assert time.monotonic() < deadline, statuses(narrow_rows)
        time.sleep(0.1)
    assert statuses(narrow_rows) == {"completed": JOBS}
    assert len(gemini.asked) == JOBS, "each is paid once"
    assert narrow_rows.execute("SELECT DISTINCT attempt FROM uploads").fetchall() == [{"attempt": 1}]
    called = narrow_rows.execute("SELECT count(*), sum(calls) AS calls FROM generations").fetchone()
    assert called == {"count": JOBS, "calls": JOBS}
