"""Older versions of functions go when nothing can call them any more, and not before."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deployment.account import Account, account
from deployment.versions import prune

TWO_WEEKS = 1_209_600
ROLE: dict[str, Any] = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
    },
}


def function(name: str) -> dict[str, Any]:
    properties = {
        "FunctionName": name,
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Code": {"ZipFile": "def handler(event, context): pass"},
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
    }
    return {"Type": "AWS::Lambda::Function", "Properties": properties}


@pytest.fixture
def where(aws_account: None, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account with a stack: a function behind the API, and one that a workflow calls, each published three times."""
    found = account("eu-north-1")
    stage = "arn:aws:lambda:eu-north-1:123456789012:function:stage:3"
    machine = {"StartAt": "Stage", "TimeoutSeconds": TWO_WEEKS, "States": {}}
    machine["States"] = {"Stage": {"Type": "Task", "Resource": stage, "End": True}}
    workflow = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {"DefinitionString": json.dumps(machine), "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}},
    }
    resources = {"Role": ROLE, "Api": function("api"), "Stage": function("stage"), "Workflow": workflow}
    found.client("cloudformation").create_stack(
        StackName="inlet-dev", TemplateBody=json.dumps({"Resources": resources}), Capabilities=["CAPABILITY_IAM"]
    )
    client = found.client("lambda")
    for name in ("api", "stage"):
        for release in ("one", "two", "three"):
            client.update_function_configuration(FunctionName=name, Description=release)
            client.publish_version(FunctionName=name)
        client.create_alias(FunctionName=name, Name="live", FunctionVersion="3")
    return found


def versions(where: Account, name: str) -> list[str]:
    listed = where.client("lambda").list_versions_by_function(FunctionName=name)["Versions"]
    return [one["Version"] for one in listed if one["Version"] != "$LATEST"]


def test_what_a_running_execution_may_call_stays(where: Account) -> None:
    now = datetime.now(UTC)
    assert prune(where, "dev", now) == 0, "an invocation may still be running"
    assert prune(where, "dev", now + timedelta(seconds=TWO_WEEKS - 60)) == 2
    assert versions(where, "api") == ["3"]
    assert versions(where, "stage") == ["1", "2", "3"]
    assert prune(where, "dev", now + timedelta(seconds=TWO_WEEKS + 60)) == 2
    assert versions(where, "stage") == ["3"]


def test_what_an_alias_names_stays(where: Account) -> None:
    client = where.client("lambda")
    client.update_alias(FunctionName="api", Name="live", FunctionVersion="1")
    client.create_alias(
        FunctionName="stage",
        Name="canary",
        FunctionVersion="3",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}},
    )
    prune(where, "dev", datetime.now(UTC) + timedelta(days=100))
    assert versions(where, "api") == ["1", "3"]
    assert versions(where, "stage") == ["2", "3"]
