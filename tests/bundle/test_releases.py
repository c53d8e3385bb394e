"""What is called is a release's: everybody outside names the alias, workflows name versions, and nothing is lost."""

import json
from functools import cache
from typing import Any

import pytest

from scripts.translate import translated
from tests.bundle.test_agreement import FUNCTIONS, RESOURCES, SHARED_PROPERTIES, TEMPLATE, WORKFLOWS

ALIAS = "Aliaslive"
MIGRATE = "OperationsMigrateFunction"  # CloudFormation calls the newest, and nobody else calls it
PUBLISHED = sorted(FUNCTIONS.keys() - {MIGRATE})
ASYNCHRONOUS = {
    *(
        name
        for name, properties in FUNCTIONS.items()
        if any(event["Type"].startswith("Schedule") for event in properties.get("Events", {}).values())
    ),
    "OperationsDeliverNotificationsFunction",  # woken by whoever ends something
    "OperationsReleaseFunction",  # by the owner's backend
    MIGRATE,  # by CloudFormation
}


@cache
def deployed(stage: str) -> dict[str, Any]:
    resources: dict[str, Any] = translated({"Stage": stage})["Resources"]
    return resources


def of_type(kind: str, stage: str = "dev") -> dict[str, dict[str, Any]]:
    return {name: one["Properties"] for name, one in deployed(stage).items() if one["Type"] == kind}


def test_a_new_release_publishes_every_function_anew() -> None:
    """SAM sees neither a changed layer nor a changed secret: the release's number makes the version's logical id."""
    for name in PUBLISHED:
        assert FUNCTIONS[name]["AutoPublishCodeSha256"] == {"Ref": "Release"}, name
    assert SHARED_PROPERTIES["AutoPublishAlias"] == "live"
    first = of_type("AWS::Lambda::Version").keys()
    second = {
        name for name, one in translated({"Release": "1" * 64})["Resources"].items() if "Version1111111111" in name
    }
    assert len(first) == len(second) == len(PUBLISHED)
    # Lambda publishes nothing in which nothing changed, and CloudFormation takes that for a failure.
    for name, function in of_type("AWS::Lambda::Function").items():
        assert function["Environment"]["Variables"]["RELEASE"] == {"Ref": "Release"}, name


def test_an_older_version_outlives_the_update() -> None:
    versions = [one for one in deployed("dev").values() if one["Type"] == "AWS::Lambda::Version"]
    assert {one["DeletionPolicy"] for one in versions} == {"Retain"}


def test_routes_and_schedules_name_the_alias() -> None:
    (api,) = [one for one in of_type("AWS::ApiGatewayV2::Api").values() if "Body" in one]
    integrations = [
        json.dumps(operation["x-amazon-apigateway-integration"]["uri"])
        for item in api["Body"]["paths"].values()
        for operation in item.values()
    ]
    integrations += [json.dumps(one["IntegrationUri"]) for one in of_type("AWS::ApiGatewayV2::Integration").values()]
    integrations += [
        json.dumps(target["Arn"]) for rule in of_type("AWS::Events::Rule").values() for target in rule["Targets"]
    ]
    assert len(integrations) > 40
    assert [one for one in integrations if ALIAS not in one] == []
    for name, permission in of_type("AWS::Lambda::Permission").items():
        assert ALIAS in json.dumps(permission["FunctionName"]), name


def test_workflows_name_versions() -> None:
    for workflow in WORKFLOWS:
        substitutions = deployed("dev")[workflow.resource]["Properties"]["DefinitionSubstitutions"]
        for name, value in substitutions.items():
            assert "Version0000000000" in value["Ref"], name


def test_functions_call_each_other_by_the_alias() -> None:
    """Whatever names a function in a variable or in a right: no caller reaches what is not released."""
    for name, function in of_type("AWS::Lambda::Function").items():
        text = json.dumps(function.get("Environment", {}))
        for other in FUNCTIONS:
            assert f'"{other}"' not in text, f"{name} calls {other} past its alias"
    for name, role in of_type("AWS::IAM::Role").items():
        rights = json.dumps(role.get("Policies", []))
        if "lambda:InvokeFunction" in rights and "StateMachine" not in name:
            assert f"OperationsDeliverNotificationsFunction{ALIAS}" in rights, name
            assert '"OperationsDeliverNotificationsFunction"' not in rights, name


def test_prod_alone_lets_a_release_in_by_degrees_and_back_out() -> None:
    assert of_type("AWS::CodeDeploy::DeploymentGroup") == of_type("AWS::CodeDeploy::DeploymentGroup", "staging") == {}
    groups = of_type("AWS::CodeDeploy::DeploymentGroup", "prod")
    assert len(groups) == len(PUBLISHED)
    (watched,) = {json.dumps(group["AlarmConfiguration"]["Alarms"]) for group in groups.values()}
    assert json.loads(watched) == [{"Name": RESOURCES["ServerErrorsAlarm"]["Properties"]["AlarmName"]}]
    for group in groups.values():
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
        assert "Canary10Percent5Minutes" in json.dumps(group["DeploymentConfigName"])
    aliases = [one for one in deployed("prod").values() if one["Type"] == "AWS::Lambda::Alias"]
    assert all("CodeDeployLambdaAliasUpdate" in alias["UpdatePolicy"] for alias in aliases)


def test_only_a_small_room_is_kept_as_a_snapshot() -> None:
    """AWS refuses a snapshot with a larger /tmp or with provisioned concurrency, and no checker knows."""
    restored = [name for name, properties in FUNCTIONS.items() if "SnapStart" in properties]
    assert restored
    for name in restored:
        assert not {"EphemeralStorage", "ProvisionedConcurrencyConfig"} & (SHARED_PROPERTIES | FUNCTIONS[name]).keys()
    assert TEMPLATE["Parameters"]["SnapStart"]["AllowedValues"] == ["on", "off"]


@pytest.mark.parametrize("name", sorted(ASYNCHRONOUS))
def test_an_asynchronous_call_is_given_up_in_time_and_not_forgotten(name: str) -> None:
    configurations = [
        one for one in of_type("AWS::Lambda::EventInvokeConfig").values() if one["FunctionName"] == {"Ref": name}
    ]
    (configuration,) = configurations
    assert configuration["MaximumEventAgeInSeconds"] <= 3600
    if name == MIGRATE:  # its event holds a presigned URL, and CloudFormation tells of its failure
        assert configuration["Qualifier"] == "$LATEST"
        return
    assert configuration["Qualifier"] == "live", "who calls by the alias is under the alias's rules"
    assert configuration["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    role = json.dumps(deployed("dev")[f"{name}Role"])
    assert "sqs:SendMessage" in role


def test_a_schedule_that_calls_nobody_leaves_a_dead_letter() -> None:
    rules = of_type("AWS::Events::Rule")
    assert rules
    for name, rule in rules.items():
        for target in rule["Targets"]:
            assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] <= 300, name
            assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}, name
    (statement,) = RESOURCES["DeadLettersPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert "aws:SourceArn" in statement["Condition"]["ArnLike"]


def test_health_costs_little_however_often_it_is_asked_for() -> None:
    routes = RESOURCES["HttpApi"]["Properties"]["RouteSettings"]
    assert routes["GET /api/health"]["ThrottlingRateLimit"] <= 5
