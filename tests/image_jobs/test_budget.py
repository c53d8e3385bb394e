"""The day's budget of paid model calls, every sender's turn, and pictures that are final: what a bill can come to."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from types import SimpleNamespace

import psycopg
import pytest
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl

from inlet import identifiers
from inlet.errors import GenerationOverBudget, GenerationQueued
from inlet.image_jobs.generations_table import LEDGER, call_for
from inlet.image_jobs.rows import Job
from inlet.settings import settings
from tests.support.crash import Functions
from tests.support.stacks import Rows
from tests.support.worlds.image_jobs import ImageJobsWorld, Reserved
from tests.support.worlds.world import DAY

_PLANT = """
INSERT INTO uploads (id, email, session_token_hash, sender_hash, original_url, content_type, etag, confirmed_at, status,
                     stage, progress, attempt)
SELECT concat('u', network, '-', number), 'somebody@example.com', concat(network, '-', number),
       concat('network ', network), 'key', 'image/png', 'etag', now(), 'processing', 'generating', 30, 1
  FROM unnest(%(networks)s::integer[]) AS network, generate_series(1, %(each)s) AS number
RETURNING id
"""


def plant(rows: Rows, networks: range, *, each: int) -> list[Job]:
    """Jobs at the door of the model, `each` of every network, in turns."""
    ids = [row["id"] for row in rows.execute(_PLANT, {"networks": list(networks), "each": each})]
    ids.sort(key=lambda upload_id: upload_id.partition("-")[2])
    return [Job(upload_id, 1, "key", "image/png", "etag", None, 30, None) for upload_id in ids]


def claim(job: Job) -> str:
    """Claim a call, and say that it was answered, as the stage does."""
    try:
        LEDGER.claim(call_for(job))
    except (GenerationOverBudget, GenerationQueued) as error:
        return type(error).__name__
    LEDGER.answered(call_for(job))
    return "called"


@pytest.fixture
def budget_of_fifty(inlet_settings: None, world_rows: Rows, monkeypatch: pytest.MonkeyPatch) -> Rows:
    monkeypatch.setenv("MODEL_CALLS_PER_DAY", "50")
    settings.reload()
    return world_rows


def test_300_networks_with_ten_uploads_each_cost_exactly_the_budget(budget_of_fifty: Rows) -> None:
    rows = budget_of_fifty
    jobs = plant(rows, range(300), each=10)
    assert Counter(map(claim, jobs)) == {"called": 50, "GenerationOverBudget": 2950}
    assert Counter(map(claim, jobs[50:100])) == {"GenerationOverBudget": 50}
    found = rows.execute("SELECT status, count(*) FROM uploads GROUP BY status").fetchall()
    assert found == [{"status": "processing", "count": 3000}], "nobody's job is lost"

    rows.execute("UPDATE rate_limits SET window_start = window_start - interval '1 day'")  # the next day
    assert Counter(map(claim, jobs[50:350])) == {"called": 50, "GenerationOverBudget": 250}


def test_of_racing_calls_only_the_budget_is_claimed(database_url: str, budget_of_fifty: Rows) -> None:
    jobs = plant(budget_of_fifty, range(20), each=1)
    barrier = Barrier(len(jobs))

    def race(job: Job) -> bool:
        parameters = {
            "id": job.upload_id,
            "attempt": 1,
            "step": "generating",
            "claim": identifiers.new_uuid(),
            "max_timeouts": 2,
            "calls_at_once": 2,
            "call_seconds": 240,
            "budget": 5,
        }
        with psycopg.connect(database_url, autocommit=True) as connection:
            barrier.wait()
            row = connection.execute(LEDGER._claim, parameters).fetchone()
        return bool(row and row[0])

    with ThreadPoolExecutor(len(jobs)) as threads:
        assert sum(threads.map(race, jobs)) == 5


def test_half_of_the_budget_is_told_once(budget_of_fifty: Rows, caplog: pytest.LogCaptureFixture) -> None:
    for job in plant(budget_of_fifty, range(60), each=1):
        claim(job)
    assert caplog.text.count("half of today's model calls are used") == 1


def test_one_sender_never_makes_all_others_wait(budget_of_fifty: Rows) -> None:
    greedy = plant(budget_of_fifty, range(1), each=5)
    for job in greedy[:2]:
        LEDGER.claim(call_for(job))
    assert claim(greedy[2]) == "GenerationQueued"
    (other,) = plant(budget_of_fifty, range(1, 2), each=1)
    assert claim(other) == "called"
    LEDGER.answered(call_for(greedy[0]))
    assert claim(greedy[2]) == "called"


def test_a_call_that_died_holds_nobody_up_for_ever(budget_of_fifty: Rows) -> None:
    jobs = plant(budget_of_fifty, range(1), each=3)
    for job in jobs[:2]:
        LEDGER.claim(call_for(job))
    budget_of_fifty.execute("UPDATE generations SET updated_at = now() - interval '5 minutes'")
    assert claim(jobs[2]) == "called"


def test_what_has_started_waits_for_the_next_day_and_new_work_is_refused(
    world: ImageJobsWorld, killable: Callable[..., Functions], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = replace(world, functions=killable(MODEL_CALLS_PER_DAY="1"))
    world.engine.functions = world.functions
    monkeypatch.setitem(vars(retrier_decl), "time", SimpleNamespace(sleep=lambda _: time.sleep(0.02)))
    first, second, third = (world.planted() for _ in range(3))
    assert world.process(first).status == 202
    assert world.process(second).status == 202
    done = wait_for_one(world, first, second)
    waiting = second if done is first else first

    refused = world.process(third)
    assert (refused.status, refused.body["error"]["code"]) == (429, "BUDGET_SPENT")
    assert refused.body["nextAllowedAt"].endswith("T00:00:00.000Z")
    assert world.job(third.id)["status"] == "pending", "startable tomorrow"
    assert world.job(waiting.id)["status"] == "processing"

    world.pass_time(DAY)
    assert world.wait(waiting.id) == "completed"
    assert world.bill(first.id) == world.bill(second.id) == {1: 1}


def wait_for_one(world: ImageJobsWorld, *jobs: Reserved) -> Reserved:
    """The job that got the only call."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for job in jobs:
            if world.job(job.id)["status"] == "completed":
                return job
        time.sleep(0.02)
    raise AssertionError([world.job(job.id) for job in jobs])


@pytest.mark.parametrize(
    ("content", "outcomes", "bill", "reason"),
    [
        (b"no picture", [], {}, "JPEG"),
        (None, ["GenerationBlocked"], {}, "declined"),
    ],
)
def test_a_refused_picture_is_final(
    world: ImageJobsWorld, content: bytes | None, outcomes: list[str], bill: dict[int, int], reason: str
) -> None:
    job = world.planted(content) if content else world.planted()
    world.functions.script_model(job.id, *outcomes)
    world.process(job)
    assert world.wait(job.id) == "failed"
    refused = world.process(job)
    assert (refused.status, refused.body["error"]["code"]) == (409, "NOT_RETRYABLE")
    assert reason in refused.body["error"]["message"]
    assert refused.body["status"] == "failed"
    assert world.executions(job.id) == [f"{job.id}-1"]
    assert world.bill(job.id) == bill
