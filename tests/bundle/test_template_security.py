"""What the deployed template promises and the local stack cannot show: the bucket, the edge, secrets, limits."""

import json
import re
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from local.stack import PROJECT
from tests.bundle.translation import Variant

TEMPLATE: dict[str, Any] = yaml_parse((PROJECT / "template.yaml").read_text())
PARAMETERS: dict[str, Any] = TEMPLATE["Parameters"]
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
BUCKET: dict[str, Any] = RESOURCES["Bucket"]["Properties"]
API: dict[str, Any] = RESOURCES["HttpApi"]["Properties"]
LIVE_API: dict[str, Any] = RESOURCES["LiveApi"]["Properties"]
HOUR_IN_MILLISECONDS = 3_600_000


def denied() -> dict[str, dict[str, Any]]:
    """What the bucket's policy refuses, by the statement's name."""
    statements = RESOURCES["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert {(one["Effect"], one["Principal"], one["Action"]) for one in statements} == {("Deny", "*", "s3:*")}
    return {one["Sid"]: one for one in statements}


def test_nothing_makes_the_bucket_public() -> None:
    assert BUCKET["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert BUCKET["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}], "no access lists"
    assert "WebsiteConfiguration" not in BUCKET


def test_what_is_stored_is_encrypted() -> None:
    (rule,) = BUCKET["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] in ("AES256", "aws:kms")


def test_the_bucket_is_reached_by_tls_only() -> None:
    statement = denied()["TlsOnly"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(statement["Resource"]) == 2, "the bucket, and all in it"


def test_no_signature_is_older_than_an_hour() -> None:
    statement = denied()["ShortSignatures"]
    assert statement["Condition"] == {"NumericGreaterThan": {"s3:signatureAge": HOUR_IN_MILLISECONDS}}


def test_the_bucket_outlives_its_stack() -> None:
    assert RESOURCES["Bucket"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert RESOURCES["Bucket"]["UpdateReplacePolicy"] == "Retain"


def test_abandoned_parts_and_raw_answers_go_without_the_sweeper_too() -> None:
    rules = {rule["Id"]: rule for rule in BUCKET["LifecycleConfiguration"]["Rules"]}
    assert {rule["Status"] for rule in rules.values()} == {"Enabled"}
    assert rules["abandoned-multipart-uploads"]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] <= 2
    assert (rules["between-stages"]["Prefix"], rules["between-stages"]["ExpirationInDays"]) == ("work/", 15)


def test_what_is_deleted_can_be_brought_back_for_a_week() -> None:
    assert BUCKET["VersioningConfiguration"] == {"Status": "Enabled"}
    (rule,) = [rule for rule in BUCKET["LifecycleConfiguration"]["Rules"] if "NoncurrentVersionExpiration" in rule]
    assert (rule["Status"], rule["NoncurrentVersionExpiration"]) == ("Enabled", {"NoncurrentDays": 7})
    assert rule["ExpiredObjectDeleteMarker"] is True
    assert "Prefix" not in rule, "everything"


def test_pages_of_named_origins_only_may_call_api_and_bucket() -> None:
    condition, cors, nothing = API["CorsConfiguration"]["Fn::If"]
    assert (condition, nothing) == ("HasOrigins", {"Ref": "AWS::NoValue"})
    assert cors["AllowOrigins"] == {"Ref": "AllowedOrigins"}
    assert "AllowCredentials" not in cors, "no cookies"
    (rule,) = BUCKET["CorsConfiguration"]["CorsRules"]
    api = {"Fn::Sub": "https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}"}
    own = {"Fn::If": ["HasEdge", {"Fn::Sub": "https://${DomainName}"}, api]}
    condition, also_named, alone = rule["AllowedOrigins"]["Fn::If"]
    assert (condition, alone) == ("HasOrigins", [own]), "the stack's own pages, from the first deployment on"
    assert json.dumps(own) in json.dumps(also_named)
    assert {"Ref": "AllowedOrigins"} in json.loads(json.dumps(also_named))["Fn::Split"][1]["Fn::Join"][1][1]["Fn::Join"]
    assert PARAMETERS["AllowedOrigins"]["Default"] == "", "nobody else, unless named"
    assert "*" not in json.dumps([cors, rule])


def test_calls_are_throttled_and_paid_ones_bounded() -> None:
    for throttle in (API["DefaultRouteSettings"], LIVE_API["DefaultRouteSettings"]):
        assert 0 < throttle["ThrottlingRateLimit"] <= throttle["ThrottlingBurstLimit"] <= 1000
    assert PARAMETERS["ModelCallsPerDay"]["Default"] > 0, "there is a budget even if nobody sets one"
    generate = RESOURCES["ImageStagesGenerateFunction"]["Properties"]
    assert generate["Environment"]["Variables"]["MODEL_CALLS_PER_DAY"] == {"Ref": "ModelCallsPerDay"}
    assert "GenerateConcurrency" in json.dumps(generate["ReservedConcurrentExecutions"])


def test_the_access_log_holds_routes_and_no_addresses_of_resources() -> None:
    logged = re.findall(r"\$context\.[\w.]+", API["AccessLogSettings"]["Format"])
    assert "$context.routeKey" in logged
    telling = re.compile(r"path|query|header|sourceIp|authorizer(?!\.error)|userAgent", re.IGNORECASE)
    assert not [name for name in logged if telling.search(name)]


def test_a_websockets_tickets_reach_no_log() -> None:
    """They stand in the query string; and an access log would want a role that most accounts have not been given."""
    assert "AccessLogSettings" not in LIVE_API
    assert not {"LoggingLevel", "DataTraceEnabled"} & LIVE_API["DefaultRouteSettings"].keys()


@pytest.mark.parametrize(
    "parameters",
    [
        bucket | live | issuer
        for bucket in ({}, {"R2Endpoint": "https://account.r2.cloudflarestorage.com"}, {"CreateBucket": "false"})
        for live in ({}, {"LiveUpdates": "off"})
        for issuer in ({}, {"JwtIssuer": "https://issuer.test/"})
    ],
    ids=str,
)
def test_whatever_the_parameters_nothing_names_what_is_not_there(parameters: dict[str, str]) -> None:
    assert Variant(**parameters).dangling() == set()


def test_live_updates_switched_off_leave_no_door_no_address_and_no_right() -> None:
    for switch, is_off in (("on", False), ("off", True)):
        variant = Variant(LiveUpdates=switch)
        assert variant.resources["LiveApi"]["Properties"]["DisableExecuteApiEndpoint"] is is_off
        assert ("execute-api:ManageConnections" in json.dumps(variant.resources)) is not is_off
        told = [
            resource["Properties"]["Environment"]["Variables"].get(name)
            for resource in variant.resources.values()
            if resource["Type"] == "AWS::Lambda::Function"
            for name in ("LIVE_URL", "LIVE_ENDPOINT_URL")
        ]
        addresses = [address for address in told if address is not None]
        assert len(addresses) > 10
        assert all((address == "") is is_off for address in addresses)


def test_a_function_may_post_to_connections_of_this_api_and_do_nothing_else_to_them() -> None:
    statements = [
        statement
        for resource in Variant().resources.values()
        if resource["Type"] == "AWS::IAM::Role"
        for policy in resource["Properties"].get("Policies", [])
        for statement in policy["PolicyDocument"]["Statement"]
        if "execute-api" in json.dumps(statement["Action"])
    ]
    assert statements
    arn = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${LiveApi}/live/POST/@connections/*"
    for statement in statements:
        assert statement["Action"] == "execute-api:ManageConnections"
        assert statement["Resource"] == {"Fn::Sub": arn}


def test_pages_of_named_origins_only_may_open_a_websocket() -> None:
    api = {"Fn::Sub": "https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}"}
    own = {"Fn::If": ["HasEdge", {"Fn::Sub": "https://${DomainName}"}, api]}
    origins = RESOURCES["LiveConnectFunction"]["Properties"]["Environment"]["Variables"]["LIVE_ORIGINS"]
    assert origins == {"Fn::Join": [",", [own, {"Fn::Join": [",", {"Ref": "AllowedOrigins"}]}]]}


def test_log_groups_forget() -> None:
    groups = [one for one in RESOURCES.values() if one["Type"] == "AWS::Logs::LogGroup"]
    assert groups
    assert all(one["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"} for one in groups)


def test_what_nobody_waits_for_is_not_made_up_for_hours_later() -> None:
    """Lambda repeats a throttled asynchronous call for six hours: seventy sweeps in a row, once an outage is over."""
    for name, resource in RESOURCES.items():
        events = resource.get("Properties", {}).get("Events", {}).values()
        if resource["Type"] == "AWS::Serverless::Function" and any(event["Type"] == "Schedule" for event in events):
            asynchronous = resource["Properties"]["EventInvokeConfig"]
            assert asynchronous["MaximumRetryAttempts"] == 0, name
            assert asynchronous["MaximumEventAgeInSeconds"] <= 300, name


def test_a_schedule_can_let_a_database_sleep() -> None:
    every = [
        event["Properties"]["Schedule"]
        for resource in RESOURCES.values()
        for event in resource.get("Properties", {}).get("Events", {}).values()
        if event["Type"] == "Schedule"
    ]
    assert sorted(map(str, every)) == [
        "rate(1 minute)",  # switched off with a sweeper that runs less often
        "{'Fn::If': ['HasPosthog', 'rate(1 minute)', 'rate(1 day)']}",
        "{'Fn::If': ['HasWebhook', 'rate(1 minute)', 'rate(1 day)']}",
        "{'Ref': 'SweepEvery'}",
    ]
    jobs = RESOURCES["OperationsSweepFunction"]["Properties"]["Events"]["Jobs"]["Properties"]
    assert jobs["State"] == {"Fn::If": ["SweepsOften", "ENABLED", "DISABLED"]}
    assert TEMPLATE["Conditions"]["SweepsOften"] == {"Fn::Equals": [{"Ref": "SweepEvery"}, "rate(5 minutes)"]}
    assert PARAMETERS["PosthogApiKey"]["Default"] == ""


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ("SweepEvery", ["rate(5 minutes)", "rate(1 hour)"], ["rate(1 minutes)", "rate(0 hours)", "5 minutes", ""]),
        ("SubnetIds", ["subnet-0a1b2c3d", ""], ["vpc-1", "subnet-x"]),
        ("SecurityGroupIds", ["sg-0a1b2c3d", ""], ["default"]),
        ("PosthogHost", ["https://us.i.posthog.com", "https://a.b:8443"], ["us.i.posthog.com", "https://a/b c"]),
    ],
)
def test_a_parameter_is_refused_before_anything_is_made(parameter: str, good: list[str], bad: list[str]) -> None:
    pattern = re.compile(PARAMETERS[parameter]["AllowedPattern"])
    assert all(map(pattern.fullmatch, good))
    assert not any(map(pattern.fullmatch, bad))


def test_functions_go_into_a_vpc_where_one_is_named() -> None:
    assert TEMPLATE["Globals"]["Function"]["VpcConfig"] == {
        "Fn::If": [
            "InVpc",
            {"SubnetIds": {"Ref": "SubnetIds"}, "SecurityGroupIds": {"Ref": "SecurityGroupIds"}},
            {"Ref": "AWS::NoValue"},
        ]
    }
    assert PARAMETERS["SubnetIds"]["Default"] == PARAMETERS["SecurityGroupIds"]["Default"] == ""
