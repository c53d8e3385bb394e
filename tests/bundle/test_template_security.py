"""What the deployed template promises and the local stack cannot show: the bucket, the edge, secrets, limits."""

import json
import re
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from local.stack import PROJECT

TEMPLATE: dict[str, Any] = yaml_parse((PROJECT / "template.yaml").read_text())
PARAMETERS: dict[str, Any] = TEMPLATE["Parameters"]
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
BUCKET: dict[str, Any] = RESOURCES["Bucket"]["Properties"]
API: dict[str, Any] = RESOURCES["HttpApi"]["Properties"]
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
    assert RESOURCES["Bucket"]["DeletionPolicy"] == RESOURCES["Bucket"]["UpdateReplacePolicy"] == "Retain"


def test_abandoned_parts_and_raw_answers_go_without_the_sweeper_too() -> None:
    rules = {rule["Id"]: rule for rule in BUCKET["LifecycleConfiguration"]["Rules"]}
    assert {rule["Status"] for rule in rules.values()} == {"Enabled"}
    assert rules["abandoned-multipart-uploads"]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] <= 2
    assert (rules["raw-generations"]["Prefix"], rules["raw-generations"]["ExpirationInDays"]) == ("work/", 7)


def test_pages_of_named_origins_only_may_call_api_and_bucket() -> None:
    allowed = {"Ref": "AllowedOrigins"}
    assert API["CorsConfiguration"]["AllowOrigins"] == allowed
    assert "AllowCredentials" not in API["CorsConfiguration"], "no cookies"
    (rule,) = BUCKET["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == allowed
    assert "*" not in json.dumps([API["CorsConfiguration"], rule, PARAMETERS["AllowedOrigins"]["Default"]])


def test_calls_are_throttled_and_paid_ones_bounded() -> None:
    throttle = API["DefaultRouteSettings"]
    assert 0 < throttle["ThrottlingRateLimit"] <= throttle["ThrottlingBurstLimit"] <= 1000
    assert PARAMETERS["ModelCallsPerDay"]["Default"] > 0, "there is a budget even if nobody sets one"
    generate = RESOURCES["ImageStagesGenerateFunction"]["Properties"]
    assert generate["Environment"]["Variables"]["MODEL_CALLS_PER_DAY"] == {"Ref": "ModelCallsPerDay"}
    assert "GenerateConcurrency" in json.dumps(generate["ReservedConcurrentExecutions"])


def test_the_access_log_holds_routes_and_no_addresses_of_resources() -> None:
    logged = re.findall(r"\$context\.[\w.]+", API["AccessLogSettings"]["Format"])
    assert "$context.routeKey" in logged
    telling = re.compile(r"path|query|header|sourceIp|authorizer|userAgent", re.IGNORECASE)
    assert not [name for name in logged if telling.search(name)]


def test_log_groups_forget() -> None:
    groups = [one for one in RESOURCES.values() if one["Type"] == "AWS::Logs::LogGroup"]
    assert groups
    assert all(one["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"} for one in groups)


@pytest.mark.parametrize("name", ["DATABASE_URL", "SERVER_SECRET", "S3_SECRET_ACCESS_KEY", "GEMINI_API_KEY"])
def test_secrets_come_from_the_secret_store(name: str) -> None:
    functions = [one["Properties"] for one in RESOURCES.values() if one["Type"] == "AWS::Serverless::Function"]
    owners = [TEMPLATE["Globals"]["Function"], *functions]
    given = [one.get("Environment", {}).get("Variables", {}) for one in owners]
    values = [json.dumps(variables[name]) for variables in given if name in variables]
    assert values, f"{name} is set nowhere"
    assert all(f"{{{{resolve:secretsmanager:${{SecretName}}:SecretString:{name}}}}}" in value for value in values)
