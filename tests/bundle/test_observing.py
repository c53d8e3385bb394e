"""Alarms, runbook, dashboard and metrics are held against each other; the workflows know whose fault a failure is."""

import ast
import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from inlet import metrics
from inlet.errors import PUBLIC_STAGE_ERRORS
from local.stack import PROJECT
from local_aws.sandboxes import Outcome
from local_aws.template import StateMachine, Template
from tests.bundle import source
from tests.bundle.test_agreement import RESOURCES, anchors
from tests.bundle.translation import Variant

RUNBOOK = PROJECT / "docs" / "runbook.md"
ALARMS: dict[str, dict[str, Any]] = {
    name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == "AWS::CloudWatch::Alarm"
}
NAMESPACE = {"Fn::Sub": "Inlet/${AWS::StackName}"}


def body() -> dict[str, Any]:
    """The dashboard, its references replaced by their names."""
    text = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    dashboard: dict[str, Any] = json.loads(re.sub(r"\$\{([\w:]+)}", r"\1", text))
    return dashboard


def named_by_alarms() -> set[str]:
    every = [one for alarm in ALARMS.values() for one in alarm.get("Metrics", [{"MetricStat": {"Metric": alarm}}])]
    stats = [one["MetricStat"]["Metric"] for one in every if "MetricStat" in one]
    return {metric["MetricName"] for metric in stats if metric["Namespace"] == NAMESPACE}


class TestAlarms:
    @pytest.mark.parametrize("name", ALARMS)
    def test_each_tells_the_topic_and_names_its_page(self, name: str) -> None:
        alarm = ALARMS[name]
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopic"}]
        assert alarm["AlarmDescription"].endswith(f" docs/runbook.md#{name.lower()}")

    def test_each_has_its_page_and_each_page_its_alarm(self) -> None:
        pages = re.findall(r"^## (\w+Alarm)$", RUNBOOK.read_text(), re.MULTILINE)
        assert sorted(pages) == sorted(ALARMS)
        assert {name.lower() for name in ALARMS} <= anchors(RUNBOOK)
        for page in RUNBOOK.read_text().split("\n## ")[1 : len(ALARMS) + 1]:
            assert "- **Look at** " in page, page
            assert "- **Do** " in page, page

    def test_what_did_not_run_breaches(self) -> None:
        watched = {
            next(one["Value"] for one in alarm["Dimensions"]): alarm["TreatMissingData"]
            for alarm in ALARMS.values()
            if alarm.get("MetricName") == "RunsFinished"
        }
        assert watched == dict.fromkeys(("sweep", "deliver_events", "deliver_notifications"), "breaching")

    def test_one_evaluates_at_most_what_cloudwatch_takes(self) -> None:
        for every in ("rate(5 minutes)", "rate(1 hour)"):
            for name, one in Variant(SweepEvery=every, PosthogApiKey="key", WebhookUrl="https://a.b").resources.items():
                if one["Type"] == "AWS::CloudWatch::Alarm" and "Period" in one["Properties"]:
                    period, periods = one["Properties"]["Period"], one["Properties"]["EvaluationPeriods"]
                    assert period * periods <= (7 * 86400 if period >= 3600 else 86400), name

    def test_the_topic_is_there_without_a_parameter(self) -> None:
        resources = Variant().resources
        assert "AlarmTopic" in resources
        assert "AlarmSubscription" not in resources
        assert "AlarmSubscription" in Variant(AlarmEmail="somebody@example.com").resources


class TestMetrics:
    def test_each_is_used_and_each_that_is_used_is_emitted(self) -> None:
        """`tests/operations/test_measured.py` runs the code that emits them, and sees every one."""
        shown = {name for name in metrics.UNITS if f'"{name}"' in json.dumps(body()).replace('\\"', '"')}
        assert named_by_alarms() <= metrics.UNITS.keys()
        assert shown | named_by_alarms() == metrics.UNITS.keys()

    def test_the_runbook_lists_every_one(self) -> None:
        listed = RUNBOOK.read_text().partition("## The metrics")[2]
        rows = re.findall(r"^\| (`[^|]+) \|", listed, re.MULTILINE)
        names = {name for row in rows for name in re.findall(r"\w+", row)}
        assert names == metrics.UNITS.keys()

    def test_whoever_warns_and_goes_on_counts_it(self) -> None:
        counted_otherwise = {
            *("job failed", "half of today's model calls are used", "notification not delivered"),
            "unhealthy",  # whoever asked for the health is answered so
        }
        for file in [*PROJECT.glob("shared/**/*.py"), *PROJECT.glob("functions/**/*.py")]:
            for part in source.parts(source.parsed(file)):
                if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "warning":
                    (said, *_) = part.args
                    assert isinstance(said, ast.Constant) or file.name == "swallowing.py", file
                    assert not isinstance(said, ast.Constant) or said.value in counted_otherwise, file

    def test_the_dashboard_leads_to_every_saved_query(self) -> None:
        (text,) = [one["properties"]["markdown"] for one in body()["widgets"] if one["type"] == "text"]
        queries = {name for name, one in RESOURCES.items() if one["Type"] == "AWS::Logs::QueryDefinition"}
        assert set(re.findall(r"queryId~'(\w+)~", text)) == queries
        in_runbook = {RESOURCES[name]["Properties"]["Name"]["Fn::Sub"].partition("/")[2] for name in queries}
        assert all(f"`{title}`" in RUNBOOK.read_text() for title in in_runbook)


MACHINES = Template(PROJECT / "template.yaml", "faults").state_machines
FAULTS = [
    (machine, error)
    for machine in MACHINES
    for error in sorted({"StaleAttempt", "GenerationMalformed", "Unforeseen"} | PUBLIC_STAGE_ERRORS)
    if not (error == "ImageRejected" and "analyse" in machine.name)
    if not (error == "RecordingRejected" and "process" in machine.name)
]


@pytest.fixture(scope="module")
def run() -> Iterator[Any]:
    """Runs a machine whose first task fails as told, and tells how the execution ended and in which state."""
    from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl

    from local_aws.workflow_engine import WorkflowEngine

    template = Template(PROJECT / "template.yaml", "faults")
    told: dict[str, str] = {}

    def invoke(name: str, event: Any) -> Outcome:
        if name.endswith("FailFunction"):
            return Outcome(name, "", 0, payload=event)
        return Outcome(name, "", 0, error={"errorType": told["error"], "errorMessage": "words"})

    def ended(machine: StateMachine, error: str) -> tuple[str, str]:
        told["error"] = error
        client = engine.client()
        arn = client.start_execution(stateMachineArn=machine.arn, name=error, input='{"attempt": 1}')["executionArn"]
        while (status := client.describe_execution(executionArn=arn)["status"]) == "RUNNING":
            pass
        history = client.get_execution_history(executionArn=arn, maxResults=1000)["events"]
        return status, [
            one["stateEnteredEventDetails"]["name"] for one in history if "stateEnteredEventDetails" in one
        ][-1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(vars(retrier_decl), "time", SimpleNamespace(sleep=lambda _: None))
        engine = WorkflowEngine(template.state_machines, template.functions, invoke).start()
        yield ended
        engine.stop()


@pytest.mark.parametrize(("machine", "error"), FAULTS, ids=[f"{machine.name}-{error}" for machine, error in FAULTS])
def test_only_a_fault_of_ours_fails_its_execution(run: Any, machine: StateMachine, error: str) -> None:
    if error == "StaleAttempt":
        assert run(machine, error) == ("SUCCEEDED", "Overtaken")
    elif error in PUBLIC_STAGE_ERRORS:
        assert run(machine, error) == ("SUCCEEDED", "Refused")
    else:
        assert run(machine, error) == ("FAILED", "Failed")
