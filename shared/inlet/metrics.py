"""Metrics: lines on standard output that CloudWatch reads as numbers (its embedded metric format, EMF).

By hand, since it is one line of JSON, printed at once: a library keeps values until an invocation ends, and one that is
killed would lose them. Lambda leaves alone what is JSON already. `make run` reads the same lines.

A dimension has few values, all known before anything runs: never an id, an address or a text of somebody's.
"""

import json
import sys
import time
from typing import Final

from inlet.settings import settings

UNITS: Final = {
    # Jobs, by `workflow`; failures by `cause` too, the class of the error
    "JobsStarted": "Count",
    "JobsCompleted": "Count",
    "JobsFailed": "Count",
    "JobDollars": "None",
    # Calls of models, by `step`
    "ModelCalls": "Count",
    "ModelSeconds": "Seconds",
    "ModelDollars": "None",
    "ModelBudgetUsed": "Percent",
    # What people sent, by `family`
    "BytesConfirmed": "Bytes",
    # What went wrong and stopped nobody, by `what`, and in all
    "ErrorsSwallowed": "Count",
    # What runs by itself, by `operation`, and what waits for it
    "RunsFinished": "Count",
    "OldestEventSeconds": "Seconds",
    "OldestNotificationSeconds": "Seconds",
    "DeadNotifications": "Count",
    "SilentJobs": "Count",
    "DeletionsOverdue": "Count",
    "OldestDeletionSeconds": "Seconds",
}
"""Every metric and its unit. docs/runbook.md says what each means."""

AWS_DOLLARS: Final = {"process_image": 0.0006, "analyse_recording": 0.0005}
"""What AWS takes for one job beside its models, by workflow: an estimate. `make bench ONLY=cost` adds up the first; the
second follows from the same prices, for a minute of sound."""


def put(values: dict[str, float], *, in_all: bool = False, **dimensions: str) -> None:
    """Emit values, named as in `UNITS`, under these dimensions; `in_all`: also without any."""
    line = {
        "_aws": {
            "Timestamp": round(time.time() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": settings.metrics_namespace,
                    "Dimensions": [[], [*dimensions]] if in_all else [[*dimensions]],
                    "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in values],
                }
            ],
        }
    }
    sys.stdout.write(json.dumps(line | dimensions | values, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def job_failed(workflow: str, cause: str) -> None:
    """Count a job that has failed. `cause` is the name of an error's class."""
    put({"JobsFailed": 1}, workflow=workflow, cause=cause)
    put({"JobDollars": AWS_DOLLARS[workflow]}, workflow=workflow)


def job_completed(workflow: str) -> None:
    """Count a job that has completed."""
    put({"JobsCompleted": 1, "JobDollars": AWS_DOLLARS[workflow]}, workflow=workflow)
