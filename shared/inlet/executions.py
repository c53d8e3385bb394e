"""Executions of workflows as rows and stages know them. Plain data: who only reads or works loads no SDK for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subject:
    """What a workflow is about: `key` is what its executions call the id of their row, `logged` what the log does.

    `workflow` is the workflow's own name, in metrics.
    """

    key: str
    logged: str
    workflow: str


IMAGE_JOB = Subject("uploadId", "upload_id", "process_image")
RECORDING = Subject("sessionId", "session_id", "analyse_recording")


@dataclass(frozen=True, slots=True)
class Silent:
    """A row that claims to be worked on and has not moved for a while. `execution` is its execution's ARN, if known."""

    subject_id: str
    attempt: int
    execution: str | None
