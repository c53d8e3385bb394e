"""Step Functions: start a workflow, ask what became of an execution. No other module speaks to it.

An execution's name is built only from a row, `{id}-{attempt}`, and the state machines are STANDARD: starting the same
name again is the same execution. So any caller may repeat a start at any time.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from inlet import metrics
from inlet.errors import WorkflowUnavailable
from inlet.executions import IMAGE_JOB, RECORDING, Subject
from inlet.settings import settings

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


@cache
def client() -> "SFNClient":
    """Return the Step Functions client, made on first use."""
    local = settings.step_functions_endpoint_url
    return boto3.client(
        "stepfunctions",
        endpoint_url=local,
        region_name=settings.workflow_region,
        aws_access_key_id="local" if local else None,
        aws_secret_access_key="local" if local else None,
        config=Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=1, read_timeout=3),
    )


@dataclass(frozen=True)
class Workflow:
    """One state machine, and what it is about."""

    state_machine_arn: Callable[[], str]
    subject: Subject

    def execution_arn(self, subject_id: str, attempt: int) -> str:
        """Return the ARN that the execution of this attempt has or will have."""
        return f"{self.state_machine_arn().replace(':stateMachine:', ':execution:')}:{subject_id}-{attempt}"

    def start(self, subject_id: str, attempt: int) -> None:
        """Start this attempt's execution, unless it was started before. Raise `WorkflowUnavailable`.

        The execution goes on with the trace of whoever starts it.
        """
        trace = {"traceHeader": header} if (header := settings.trace_header) else {}
        with _translated():
            try:
                client().start_execution(
                    stateMachineArn=self.state_machine_arn(),
                    name=f"{subject_id}-{attempt}",
                    input=json.dumps({self.subject.key: subject_id, "attempt": attempt}),
                    **trace,
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                    raise
            else:
                metrics.put({"JobsStarted": 1}, workflow=self.subject.workflow)


PROCESS_IMAGE = Workflow(lambda: settings.state_machine_arn, IMAGE_JOB)
ANALYSE_RECORDING = Workflow(lambda: settings.analysis_state_machine_arn, RECORDING)


def status(execution: str) -> str | None:
    """Return RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED or PENDING_REDRIVE, or None if there is no such execution.

    `execution` is its ARN, as the row keeps it: a state machine may have been replaced since.
    """
    with _translated():
        try:
            return client().describe_execution(executionArn=execution)["status"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
                return None
            raise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise WorkflowUnavailable(f"Step Functions refused: {error.response['Error']['Code']}") from error
    except (BotoCoreError, OSError) as error:
        raise WorkflowUnavailable(f"Step Functions does not answer: {type(error).__name__}") from error
