"""The seam into moto's interpreter: our functions run its tasks, and it does what we rely on Step Functions for.

moto is pinned exactly; a new version must pass this file first.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from local_aws.sandboxes import Outcome, Sandboxes, Throttled
from local_aws.template import Template
from local_aws.workflow_engine import WorkflowEngine


@dataclass(frozen=True)
class Machine:
    """The echo bundle's state machine in a running engine."""

    engine: WorkflowEngine
    arn: str

    def start(self, name: str, **told: Any) -> str:
        return self.engine.client().start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(told))[
            "executionArn"
        ]

    def run(self, name: str, **told: Any) -> dict[str, Any]:
        """The closed execution's output."""
        execution = self.start(name, **told)
        while (described := self.engine.client().describe_execution(executionArn=execution))["status"] == "RUNNING":
            time.sleep(0.02)
        assert described["status"] == "SUCCEEDED", described
        output: dict[str, Any] = json.loads(described["output"])
        return output


@pytest.fixture(scope="module")
def machine(echo_template: Template, echo_sandboxes: Sandboxes) -> Iterator[Machine]:
    echo_sandboxes.invoke("EchoFunction", {})  # the tasks' two seconds are meant for warm functions
    engine = WorkflowEngine(echo_template.state_machines, echo_template.functions, echo_sandboxes.invoke).start()
    yield Machine(engine, echo_template.state_machines[0].arn)
    engine.stop()


def times(journal: Path) -> list[float]:
    return [float(line) for line in journal.read_text().splitlines()]


def test_a_task_runs_in_a_sandbox_and_its_answer_is_the_output(machine: Machine) -> None:
    output = machine.run("good", uploadId="u1")
    assert output["work"]["event"] == {"uploadId": "u1"}
    assert output["work"]["context"]["function_name"] == "EchoFunction"


def test_retry_matches_the_exceptions_class_and_waits(machine: Machine, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    output = machine.run("retried", do="pass", times=1, journal=str(journal))
    assert "caught" not in output
    first, second = times(journal)
    assert second - first >= 1


def test_retries_come_to_an_end_and_catch_takes_over(machine: Machine, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    output = machine.run("exhausted", do="pass", times=9, journal=str(journal))
    assert len(times(journal)) == 3
    assert output["caught"] == "by name"
    assert output["error"]["Error"] == "Passing"


def test_an_error_without_retries_is_caught_at_once_with_its_cause(machine: Machine, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    output = machine.run("permanent", do="fail", journal=str(journal))
    assert len(times(journal)) == 1
    assert output["caught"] == "by name"
    assert output["error"]["Error"] == "Permanent"
    assert json.loads(output["error"]["Cause"])["errorMessage"] == "the image is no image"
    assert output["do"] == "fail"  # ResultPath keeps the input


def test_a_function_that_dies_is_caught_as_an_exit(machine: Machine) -> None:
    output = machine.run("died", do="crash")
    assert (output["caught"], output["error"]["Error"]) == ("otherwise", "Runtime.ExitError")


def test_a_throttled_task_is_named_as_step_functions_names_it(echo_template: Template) -> None:
    def refuse(name: str, event: Any) -> Outcome:
        raise Throttled(name)

    busy = Template(echo_template.file, "echo-busy")
    engine = WorkflowEngine(busy.state_machines, busy.functions, refuse).start()
    try:
        output = Machine(engine, busy.state_machines[0].arn).run("throttled")
    finally:
        engine.stop()
    assert (output["caught"], output["error"]["Error"]) == ("otherwise", "Lambda.TooManyRequestsException")


def test_a_task_past_its_time_out_is_given_up(machine: Machine) -> None:
    begun = time.monotonic()
    output = machine.run("late", do="sleep", seconds=5)
    assert (output["caught"], output["error"]["Error"]) == ("otherwise", "States.Timeout")
    assert 1.9 < time.monotonic() - begun < 4


def test_the_same_name_and_input_while_running_is_the_same_execution(machine: Machine, tmp_path: Path) -> None:
    told = {"do": "sleep", "seconds": 1, "journal": str(tmp_path / "journal")}
    with ThreadPoolExecutor(12) as threads:
        executions = list(threads.map(lambda _: machine.start("same", **told), range(12)))
    assert len(set(executions)) == 1
    machine.run("same", **told)
    assert len(times(tmp_path / "journal")) == 1


def test_a_name_is_used_up_once_closed_and_belongs_to_its_input(machine: Machine) -> None:
    told = {"uploadId": "u2"}
    machine.run("once", **told)
    for again in (told, {"uploadId": "u3"}):
        with pytest.raises(ClientError) as refused:
            machine.start("once", **again)
        assert refused.value.response["Error"]["Code"] == "ExecutionAlreadyExists"


def test_an_execution_that_never_was_is_named_so(machine: Machine) -> None:
    with pytest.raises(ClientError) as missing:
        machine.engine.client().describe_execution(
            executionArn=machine.arn.replace(":stateMachine:", ":execution:") + ":never"
        )
    assert missing.value.response["Error"]["Code"] == "ExecutionDoesNotExist"


def test_history_tells_every_attempt(machine: Machine, tmp_path: Path) -> None:
    execution = machine.start("told", do="pass", times=1, journal=str(tmp_path / "journal"))
    client = machine.engine.client()
    while client.describe_execution(executionArn=execution)["status"] == "RUNNING":
        time.sleep(0.02)
    kinds = [event["type"] for event in client.get_execution_history(executionArn=execution)["events"]]
    assert kinds.count("LambdaFunctionFailed") == 1
    assert kinds.count("LambdaFunctionSucceeded") == 1
    assert kinds[-1] == "ExecutionSucceeded"


def test_starting_waits_for_nothing(machine: Machine) -> None:
    machine.run("warm-up")
    begun = time.monotonic()
    machine.start("slow", do="sleep", seconds=1)
    assert time.monotonic() - begun < 0.5


def test_an_engine_whose_machine_is_gone_stops_all_the_same(echo_template: Template, echo_sandboxes: Sandboxes) -> None:
    other = Template(echo_template.file, "echo-gone")
    engine = WorkflowEngine(other.state_machines, other.functions, echo_sandboxes.invoke).start()
    engine.client().delete_state_machine(stateMachineArn=other.state_machines[0].arn)
    engine.stop()
    with pytest.raises(EndpointConnectionError):
        engine.client().list_state_machines()


def test_two_engines_in_one_process_keep_apart(
    echo_template: Template, echo_sandboxes: Sandboxes, machine: Machine
) -> None:
    other = Template(echo_template.file, "echo-two")
    engine = WorkflowEngine(other.state_machines, other.functions, echo_sandboxes.invoke).start()
    try:
        second = Machine(engine, other.state_machines[0].arn)
        assert second.arn != machine.arn
        assert "work" in second.run("good", uploadId="u1")
    finally:
        engine.stop()
    with pytest.raises(ClientError):
        machine.engine.client().describe_state_machine(stateMachineArn=second.arn)
    assert "work" in machine.run("still-here")
