"""The sweeper under a backlog and beside failures: every step gets its turn, and what failed is told in the end."""

import math
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from inlet import deadline, storage, workflow
from inlet.errors import WorkflowUnavailable
from inlet.settings import settings
from inlet.workflow import Workflow
from tests.support.invocations import Context
from tests.support.stacks import Rows

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:today"


@pytest.fixture
def sweep(
    inlet_settings: None, world_rows: Rows, load_handler: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """The function in this process."""
    monkeypatch.setenv("STATE_MACHINE_ARN", MACHINE)
    settings.reload()
    yield load_handler("operations/sweep")
    settings.reload()


class Hurried(Context):
    """An invocation with so little time left, beside what is held back."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((30 + self._seconds) * 1000)


class Clock:
    """The time that deadlines go by: it stands still, but for what a test says something takes."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def plant_silent_jobs(rows: Rows, count: int, machine: str = MACHINE) -> None:
    rows.execute(
        "INSERT INTO uploads (id, email, session_token_hash, original_url, content_type, status, attempt, updated_at,"
        "                     workflow_run_id)"
        " SELECT 'u' || n, 'e', n::text, 'k' || n, 'image/png', 'processing', 1, now() - interval '1 hour',"
        "        replace(%s, ':stateMachine:', ':execution:') || ':u' || n || '-1'"
        "   FROM generate_series(1, %s) AS n",
        (machine, count),
    )


def plant_deletions(rows: Rows, *keys: str) -> None:
    for key in keys:
        rows.execute("INSERT INTO object_deletions (key) VALUES (%s)", (key,))


def test_a_backlog_of_one_step_starves_no_other(sweep: Any, world_rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand jobs to ask about, at twenty milliseconds each, and a hundred of those for all steps."""
    clock = Clock()
    monkeypatch.setattr(deadline, "time", clock)
    plant_silent_jobs(world_rows, 10_000)
    world_rows.execute("UPDATE uploads SET id = chr(97 + (random() * 25)::integer) || md5(id)")
    plant_deletions(world_rows, "gone")
    asked: list[str] = []

    def ask(execution: str) -> str:
        asked.append(execution)
        clock.now += 0.02
        return "RUNNING"

    monkeypatch.setattr(workflow, "status", ask)
    counts = sweep.lambda_handler({}, Hurried(2))
    assert counts["objects"] == 1, "the last steps had their turn"
    assert len(asked) == math.ceil(100 / len(sweep.STEPS)) == len(set(asked))
    first = set(asked)
    for _ in range(3):
        sweep.lambda_handler({}, Hurried(2))
    assert len(set(asked)) > 2 * len(first), "each run begins somewhere else"


def test_every_silent_job_is_asked_about_once(sweep: Any, world_rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    plant_silent_jobs(world_rows, 250)
    asked: list[str] = []

    def ask(execution: str) -> str:
        asked.append(execution)
        return "RUNNING"

    monkeypatch.setattr(workflow, "status", ask)
    sweep.lambda_handler({}, Context())
    assert len(asked) == len(set(asked)) == 250


def test_one_job_that_cannot_be_asked_about_keeps_no_other_waiting(
    sweep: Any, world_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_silent_jobs(world_rows, 3)
    plant_deletions(world_rows, "gone")

    def ask(execution: str) -> str:
        if execution.endswith("u2-1"):
            raise WorkflowUnavailable("refused")
        return "FAILED"

    monkeypatch.setattr(workflow, "status", ask)
    with pytest.raises(sweep.SweepIncomplete, match=r"^reconcile_jobs$"):
        sweep.lambda_handler({}, Context())
    left = world_rows.execute("SELECT id FROM uploads WHERE status = 'processing'").fetchall()
    assert left == [{"id": "u2"}]
    assert world_rows.execute("SELECT * FROM object_deletions").fetchall() == []


def test_what_the_bucket_refuses_to_delete_is_told_and_kept(
    sweep: Any, world_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_deletions(world_rows, *(f"key {number}" for number in range(5)))
    monkeypatch.setattr(storage, "delete_many", lambda keys: {"key 3"} & set(keys))
    with pytest.raises(sweep.SweepIncomplete, match=r"^delete_objects$"):
        sweep.lambda_handler({}, Context())
    assert world_rows.execute("SELECT key FROM object_deletions").fetchall() == [{"key": "key 3"}]


def test_an_unforeseen_error_of_one_step_is_told_too(sweep: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep.endings_table, "expire_overdue", lambda _: 1 // 0)
    with pytest.raises(sweep.SweepIncomplete, match=r"^expire_sessions$"):
        sweep.lambda_handler({}, Context())


def test_after_the_state_machine_was_replaced_nothing_starts_beside_what_runs(
    sweep: Any, world_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row names its execution. One that the old machine does not know is started by the new one, and renamed."""
    plant_silent_jobs(world_rows, 2, machine=MACHINE.replace("today", "yesterday"))
    started: list[str] = []
    monkeypatch.setattr(
        workflow, "status", lambda execution: "RUNNING" if execution.endswith(":yesterday:u1-1") else None
    )
    monkeypatch.setattr(Workflow, "start", lambda _, upload_id, attempt: started.append(f"{upload_id}-{attempt}"))
    assert sweep.lambda_handler({}, Context())["started"] == 1
    assert started == ["u2-1"]
    rows = world_rows.execute("SELECT workflow_run_id FROM uploads ORDER BY id").fetchall()
    assert [row["workflow_run_id"].rpartition(":execution:")[2] for row in rows] == ["yesterday:u1-1", "today:u2-1"]
