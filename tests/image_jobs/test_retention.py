"""How long a job is kept: the date it is told is the date it goes, and nothing goes that somebody still works on."""

import json
from collections.abc import Callable

import hypothesis
import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from inlet.image_jobs import retention_table
from tests.support import invocations
from tests.support.crash import Trap
from tests.support.worlds.image_jobs import FAIL, ImageJobsWorld, Reserved
from tests.support.worlds.world import DAY

JOBS = 1_000_000
FILL = """
INSERT INTO uploads (id, email, session_token_hash, original_url, content_type, status, attempt, delete_after)
SELECT n::text, '', '', '', '', CASE WHEN n %% 50 = 0 THEN 'failed' ELSE 'completed' END, 1,
       now() + make_interval(mins => n - 3)
  FROM generate_series(1, %(jobs)s) AS n
"""


def days_left(world: ImageJobsWorld, job: Reserved) -> int | None:
    """In how many days a job goes, as its row says."""
    row = world.rows.execute(
        "SELECT round(extract(epoch FROM delete_after - now()) / 86400)::integer AS days FROM uploads WHERE id = %s",
        (job.id,),
    ).fetchone()
    assert row is not None
    return None if row["days"] is None else int(row["days"])


@pytest.mark.parametrize(("setting", "kept", "failed"), [("30", 30, 7), ("3", 3, 3), ("0", None, None)])
def test_when_a_job_is_due(world: ImageJobsWorld, setting: str, kept: int | None, failed: int | None) -> None:
    world.functions.environment |= {"IMAGE_RETENTION_DAYS": setting}
    job = world.confirmed()
    assert days_left(world, job) == kept, "confirmed, and never processed"
    world.process(job, Trap(2))
    assert days_left(world, job) is None, "while it is processed"
    world.task(FAIL, job)
    assert days_left(world, job) == failed
    assert world.process(job).status == 202
    assert days_left(world, job) is None, "again"
    assert world.wait(job.id) == "completed"
    assert days_left(world, job) == kept
    status = world.call("ImageJobsStatusFunction", invocations.status(job.id, job.token), 200).body
    assert ("deletesAt" in status) == (kept is not None)


def test_a_start_that_failed_and_comes_after_all(world: ImageJobsWorld) -> None:
    job = world.planted()
    world.functions.environment |= {"STEP_FUNCTIONS_ENDPOINT_URL": "http://127.0.0.1:9"}
    assert world.process(job).status == 500
    assert days_left(world, job) == 30
    assert world.task("ImageStagesValidateFunction", job).error is None, "Step Functions had taken it"
    assert days_left(world, job) is None


def test_what_is_due_goes_in_batches_and_nothing_else(world: ImageJobsWorld) -> None:
    world.rows.execute(
        "INSERT INTO uploads (id, email, session_token_hash, original_url, content_type, status, attempt, delete_after)"
        " SELECT 'u' || n, 'e', n::text, 'uploads/u' || n || '/original.png', 'image/png', 'completed', 1,"
        "        now() - interval '1 second' FROM generate_series(1, 250) AS n"
    )
    kept = world.finished()
    counts = world.sweep().payload
    assert counts["overdue"] == 250
    assert world.job(kept.id)
    world.pass_time(DAY)
    world.sweep()
    world.assert_nothing_is_left_over()
    events = world.rows.execute(
        "SELECT properties ->> 'reason' AS reason, count(*) FROM outbox_events WHERE name = 'upload_deleted' GROUP BY 1"
    ).fetchall()
    assert events == [{"reason": "retention", "count": 250}]


def test_a_failed_job_taken_up_again_as_the_sweeper_comes(world: ImageJobsWorld) -> None:
    job, other = world.started(), world.started()
    for one in (job, other):
        world.task(FAIL, one)
    world.pass_time(8 * DAY)
    with world.functions.held("OperationsSweepFunction", {}, point=0) as sweeping:  # it has found both
        assert world.process(job).status == 202
        run = sweeping.release()
        assert run.payload["overdue"] == 1
        assert run.effects[0] == "DELETE FROM uploads"
    assert world.wait(job.id) == "completed"
    world.assert_gone(other)
    world.assert_nothing_is_left_over()


STATES = st.sampled_from(["pending", "processing", "completed", "failed"])
DAYS = st.sampled_from([None, -9, -1, 1])


@pytest.mark.usefixtures("inlet_settings")
@hypothesis.settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=st.lists(st.tuples(STATES, DAYS), max_size=12))
def test_exactly_what_is_due_goes(database_url: str, jobs: list[tuple[str, int | None]]) -> None:
    """Whatever state jobs are in, and whatever a row says: a job that is processed never goes."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM uploads")
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO uploads (id, email, session_token_hash, original_url, content_type, status, attempt,"
                " delete_after) VALUES (%s, 'e', %s, %s, 'image/png', %s, 1, now() + make_interval(days => %s))",
                [(str(number), str(number), str(number), status, days) for number, (status, days) in enumerate(jobs)],
            )
        while retention_table.delete_overdue(3) == 3:
            pass
        left = {int(row[0]) for row in connection.execute("SELECT id FROM uploads")}
    due = {n for n, (status, days) in enumerate(jobs) if status != "processing" and days is not None and days < 0}
    assert left == set(range(len(jobs))) - due


def test_beside_a_million_jobs_it_reads_a_few_blocks_of_an_index(make_database: Callable[[], str]) -> None:
    explain = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "
    with psycopg.connect(make_database(), autocommit=True) as connection:
        # Unique indexes, of which this reads none, would be most of the work.
        connection.execute("ALTER TABLE uploads DROP CONSTRAINT uploads_pkey CASCADE")
        connection.execute("ALTER TABLE uploads DROP CONSTRAINT uploads_session_token_hash_key")
        connection.execute(FILL, {"jobs": JOBS})
        connection.execute("VACUUM ANALYZE uploads")
        [([plan],)] = connection.execute(explain + retention_table._OVERDUE, {"limit": 100}).fetchall()
    assert "uploads_due" in json.dumps(plan)
    assert "Seq Scan" not in json.dumps(plan)
    assert plan["Plan"]["Actual Rows"] == 3
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] <= 20
