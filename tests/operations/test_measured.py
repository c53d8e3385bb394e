"""What CloudWatch would read of a day with image jobs: a good one, a bad photo, one left over, the scheduled runs."""

import json
from collections import defaultdict
from typing import Any

import pytest

from inlet import deletions, metrics
from inlet.errors import StorageUnavailable
from inlet.settings import settings
from tests.support.photographs import PHOTOGRAPH
from tests.support.worlds.image_jobs import ImageJobsWorld
from tests.support.worlds.world import DAY

NAMESPACE = "Inlet/measured"


class Measured:
    """The metrics of a log, by name and dimensions."""

    def __init__(self, text: str) -> None:
        self.values: dict[tuple[str, tuple[str, ...]], list[float]] = defaultdict(list)
        for line in filter(lambda line: line.startswith('{"_aws"'), text.splitlines()):
            said: dict[str, Any] = json.loads(line)
            (directive,) = said["_aws"]["CloudWatchMetrics"]
            if directive["Namespace"] == NAMESPACE:
                for names in directive["Dimensions"]:
                    for metric in directive["Metrics"]:
                        key = (metric["Name"], tuple(str(said[name]) for name in names))
                        self.values[key].append(said[metric["Name"]])

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.values}

    def sum(self, name: str, *dimensions: str) -> float:
        return sum(self.values[name, dimensions])

    def newest(self, name: str, *dimensions: str) -> float:
        return self.values[name, dimensions][-1]


def test_every_metric_is_emitted_and_says_what_happened(
    world: ImageJobsWorld,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world.functions.environment["METRICS_NAMESPACE"] = NAMESPACE
    good, bad = world.confirmed(), world.confirmed(b"no picture")
    for job, end in ((good, "completed"), (bad, "failed")):
        assert world.process(job).status == 202
        assert world.wait(job.id) == end
        assert world.execution(job.id, 1) == "SUCCEEDED", "a bad photo is nobody's alarm"
    silent = world.started()
    ended = world.engine.arn.replace(":stateMachine:", ":execution:") + f":{bad.id}-1"
    world.rows.execute("UPDATE uploads SET workflow_run_id = %s WHERE id = %s", (ended, silent.id))
    world.rows.execute(
        "INSERT INTO object_deletions (key, not_before) VALUES ('files/late', now() + interval '1 year')"
    )
    world.pass_time(DAY)
    world.sweep()
    assert world.functions.invoke("OperationsDeliverEventsFunction", {}).error is None
    # What waits is dropped where nobody wants it; then there is nothing to send to an endpoint that is not there.
    for webhook in ({}, {"WEBHOOK_URL": "http://127.0.0.1:9/", "WEBHOOK_SECRETS": "c2VjcmV0LW9mLXRoZS13ZWJob29rcw=="}):
        world.functions.environment.update(webhook)
        assert world.functions.invoke("OperationsDeliverNotificationsFunction", {}).error is None

    def refuse(*_: object, **__: object) -> None:
        raise StorageUnavailable("no")

    monkeypatch.setenv("METRICS_NAMESPACE", NAMESPACE)
    settings.reload()
    monkeypatch.setattr("inlet.storage.delete_many", refuse)
    deletions.attempt(["files/key"])
    settings.reload()

    logs = "".join(log.read_text() for log in tmp_path_factory.getbasetemp().glob("crash[0-9]*/functions.log"))
    measured = Measured(logs + capsys.readouterr().out)
    assert measured.names == set(metrics.UNITS)
    assert measured.sum("BytesConfirmed", "image_jobs") == len(PHOTOGRAPH) + len(b"no picture")
    assert measured.sum("JobsCompleted", "process_image") == 1
    assert measured.sum("JobsFailed", "process_image", "ImageRejected") == 1
    assert measured.sum("JobsFailed", "process_image", "DeadExecution") == 1
    assert measured.sum("ModelCalls", "generating") == 1
    assert measured.newest("SilentJobs") == 0, "the sweeper has ended it"
    assert measured.newest("OldestDeletionSeconds") > DAY - 100
    assert measured.newest("DeletionsOverdue") >= 1
    assert measured.newest("OldestEventSeconds") > DAY - 100
    assert {dimensions for name, dimensions in measured.values if name == "RunsFinished"} == {
        ("sweep",),
        ("deliver_events",),
        ("deliver_notifications",),
    }
    assert measured.sum("ErrorsSwallowed") == measured.sum("ErrorsSwallowed", "deletion left to the sweeper") >= 1
    told = [line for line in logs.splitlines() if line.startswith("INFO stage ")]
    assert all("request_id=" in line and ("upload_id=" in line or "session_id=" in line) for line in told)
    for job in (good, bad, silent):
        assert job.token not in logs
