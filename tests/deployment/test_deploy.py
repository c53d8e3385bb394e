"""`make deploy` and what belongs to it: the person's own account and region, refusals in words, a test from outside."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from samcli.cli.types import CfnParameterOverridesType
from samcli.yamlhelper import yaml_parse

from deployment import __main__ as command
from deployment import deploy, destroy, edge_files, secrets, smoke
from deployment.account import Account, account, known_stage
from deployment.protection import LASTING, protect
from deployment.words import Refused
from local.stack import PROJECT, LocalStack
from scripts import build
from tests.support import aws

DATABASE = "postgresql://inlet:password@host/inlet"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shell that knows nothing of AWS."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def where(shell: None, aws_account: None) -> Account:
    """An account with the secrets of dev."""
    found = account("eu-north-1")
    client = found.client("secretsmanager")
    functions = {"DATABASE_URL": DATABASE, "SERVER_SECRET": "s" * 40}
    client.create_secret(Name="inlet/dev/functions", SecretString=json.dumps(functions))
    restricted = {"MIGRATIONS_DATABASE_URL": DATABASE}
    client.create_secret(Name="inlet/dev/restricted", SecretString=json.dumps(restricted))
    return found


def test_without_an_account_or_a_region_nothing_is_guessed(
    shell: None, aws_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused, match="No region is set"):
        account()
    with pytest.raises(Refused, match="No AWS account is at hand"):
        account("eu-north-1")
    (tmp_path / "config").write_text("[default]\nregion = ap-southeast-2\n")
    aws.enter(aws_url, monkeypatch)
    assert account().region == "ap-southeast-2", "the profile's own"


def test_a_profile_that_there_is_not_is_said(shell: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(Refused, match="nobody"):
        account("eu-north-1")


@pytest.mark.parametrize("stage", ["local", "production", ""])
def test_only_the_three_stages_are_deployed(stage: str) -> None:
    with pytest.raises(Refused, match="dev, staging, prod"):
        known_stage(stage)


def test_what_the_template_asks_for_is_found_out(where: Account) -> None:
    parameters = deploy.parameters_of(where, "dev", "x86_64")
    versions = secrets.complete(where, secrets.functions_secret("dev")).id
    assert parameters["FunctionsSecretVersion"] == versions
    assert parameters["BucketName"] == f"inlet-dev-{where.number}-eu-north-1"
    assert (parameters["Stage"], parameters["Architecture"]) == ("dev", "x86_64")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"Generator": "gemini"}, "inlet/dev/restricted lacks GEMINI_API_KEY"),
        ({"R2Endpoint": "https://a.r2.cloudflarestorage.com"}, "set BucketName"),
        ({"R2Endpoint": "https://a.r2.cloudflarestorage.com", "BucketName": "files"}, "lacks S3_ACCESS_KEY_ID"),
        ({"DomainName": "inlet.example.com"}, "lacks EDGE_SECRET"),
        ({"FunctionsSecretVersion": "old"}, "must not set FunctionsSecretVersion"),
        ({"OidcScope": 'openid "x"'}, "OidcScope must have no quotation mark"),
    ],
)
def test_what_is_missing_is_named(
    where: Account, overrides: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy, "configured", lambda stage: {"Stage": stage} | overrides)
    with pytest.raises(Refused, match=words):
        deploy.parameters_of(where, "dev", "arm64")


def test_sam_takes_every_value_as_it_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read back by sam's own reader, which ends a value at its first space unless it is in quotes."""
    file = tmp_path / "samconfig.toml"
    overrides = ["SweepEvery=rate(1 hour)", "OidcScope='openid offline_access'", "R2Endpoint="]
    overrides += ["AllowedOrigins=https://a.test,https://b.test"]
    file.write_text(f"[dev.deploy.parameters]\nparameter_overrides = {json.dumps(overrides)}\n")
    monkeypatch.setattr(deploy, "CONFIGURATION", file)
    chosen = deploy.configured("dev")
    assert chosen == {
        "SweepEvery": "rate(1 hour)",
        "OidcScope": "openid offline_access",
        "AllowedOrigins": "https://a.test,https://b.test",
        "R2Endpoint": "",
    }
    command = deploy.sam_command(tmp_path, "dev", "eu-north-1", chosen, is_new=False)
    given = tuple(command[command.index("--parameter-overrides") + 1 :])
    assert CfnParameterOverridesType().convert(given, None, None) == chosen


def test_a_stage_without_secrets_does_not_take_another_s(where: Account) -> None:
    with pytest.raises(Refused, match="There is no secret inlet/prod/functions"):
        deploy.parameters_of(where, "prod", "arm64")


def test_a_stack_that_can_only_be_deleted_is_said(
    where: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "template.yaml").write_text("")
    monkeypatch.setattr(deploy, "build_directory", lambda _: tmp_path)
    monkeypatch.setattr(deploy, "stack_status", lambda *_: "ROLLBACK_COMPLETE")
    with pytest.raises(Refused, match="`make destroy STAGE=dev` first"):
        deploy.deploy(where, "dev", "arm64")
    (tmp_path / "template.yaml").unlink()
    with pytest.raises(Refused, match="make build ARCHITECTURE=arm64"):
        deploy.deploy(where, "dev", "arm64")


ROTATED = ("FunctionsSecretVersion", "RestrictedSecretVersion", "Release")
TEMPLATE: dict[str, dict[str, Any]] = {
    "Parameters": {name: {"Type": "String"} for name in (*ROTATED, "Other")},
    "Resources": {
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "FunctionsSecretVersion"}}}
    },
    "Outputs": {"Url": {"Value": "https://api.example.com"}, "BucketName": {"Value": "inlet-dev-files"}},
}


@pytest.fixture
def older(where: Account, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stack that was deployed with older secrets."""
    old = [{"ParameterKey": name, "ParameterValue": "old"} for name in TEMPLATE["Parameters"]]
    client = where.client("cloudformation")
    client.create_stack(StackName="inlet-dev", TemplateBody=json.dumps(TEMPLATE), Parameters=old)
    uploads = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "what-sam-uploads"}}
    of_sam = {"Resources": {"Uploads": uploads}, "Outputs": {"SourceBucket": {"Value": {"Ref": "Uploads"}}}}
    client.create_stack(StackName=deploy.SAM_STACK, TemplateBody=json.dumps(of_sam))
    monkeypatch.setattr(deploy, "smoke", lambda _: None)
    return client


def test_rotating_brings_the_newest_version_and_changes_nothing_else(where: Account, older: Any) -> None:
    where.client("secretsmanager").put_secret_value(
        SecretId="inlet/dev/functions", SecretString=json.dumps({"DATABASE_URL": DATABASE, "SERVER_SECRET": "t" * 40})
    )
    deploy.rotate(where, "dev")
    (rotated,) = older.describe_stacks(StackName="inlet-dev")["Stacks"]
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in rotated["Parameters"]}
    assert re.fullmatch("[0-9a-f]{64}", parameters.pop("Release")), "by which every function is published anew"
    assert parameters == {
        "FunctionsSecretVersion": secrets.complete(where, secrets.functions_secret("dev")).id,
        "RestrictedSecretVersion": secrets.complete(where, secrets.restricted_secret("dev")).id,
        "Other": "old",
    }
    (kept,) = where.client("s3").list_objects_v2(Bucket="what-sam-uploads")["Contents"]
    assert kept["Key"].startswith("inlet-dev/"), "SAM is given its template again: it names the versions anew"
    deploy.rotate(where, "dev")
    assert older.describe_stacks(StackName="inlet-dev")["Stacks"] == [rotated], "there is nothing to rotate any more"
    with pytest.raises(Refused, match="There is no stack inlet-prod"):
        deploy.rotate(where, "prod")


def test_destroying_asks_and_says_what_it_keeps(
    where: Account, older: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    with pytest.raises(Refused, match="Nothing was deleted"):
        destroy.destroy(where, "dev")
    monkeypatch.setattr("builtins.input", lambda _: "inlet-dev")
    destroy.destroy(where, "dev")
    said = capsys.readouterr().err
    for kept in ("bucket inlet-dev-files", "database", "inlet/dev/functions"):
        assert kept in said.partition("It keeps")[2]
    with pytest.raises(Refused, match="There is no stack inlet-dev"):
        destroy.destroy(where, "dev")
    assert secrets.complete(where, secrets.functions_secret("dev"))


@pytest.fixture
def prod(where: Account) -> Any:
    """A stack of prod with an edge, as far as its outputs and its bucket go."""
    client = where.client("cloudformation")
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "inlet-prod-edge"}}
    outputs = {
        "Url": {"Value": "https://inlet.invalid"},
        "ApiUrl": {"Value": "https://api.example.com"},
        "EdgeAddress": {"Value": "d1.cloudfront.net"},
        "EdgeFilesBucket": {"Value": {"Ref": "EdgeFiles"}},
    }
    template = {"Resources": {"EdgeFiles": bucket}, "Outputs": outputs}
    client.create_stack(StackName="inlet-prod", TemplateBody=json.dumps(template))
    return client


def test_prod_is_protected_and_no_other_stage(where: Account, older: Any, prod: Any) -> None:
    template = yaml_parse((PROJECT / "template.yaml").read_text())
    protected: list[dict[str, Any]] = []

    def take(params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        protected.append(params["body"])
        return AWSResponse("", 200, HTTPHeaders(), None), {}

    # The one call that moto does not know.
    where.session.events.register("before-call.cloudformation.UpdateTerminationProtection", take)
    for stage in ("dev", "prod"):
        protect(where, stage)
    assert [(one["StackName"], one["EnableTerminationProtection"]) for one in protected] == [("inlet-prod", "true")]
    policy = json.loads(prod.get_stack_policy(StackName="inlet-prod")["StackPolicyBody"])
    (refused,) = [one for one in policy["Statement"] if one["Effect"] == "Deny"]
    assert set(refused["Action"]) == {"Update:Replace", "Update:Delete"}
    assert {one.removeprefix("LogicalResourceId/") for one in refused["Resource"]} == set(LASTING)
    lasting = ("AWS::S3::Bucket", "AWS::Cognito::UserPool", "AWS::Serverless::StateMachine")
    kept = {name for name, one in template["Resources"].items() if one["Type"] in lasting and name != "EdgeFiles"}
    assert kept == set(LASTING), "a resource that lasts is not protected, or one is that there is not"


def test_a_protected_stage_is_not_destroyed(where: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YES", "1")
    template = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    client = where.client("cloudformation")
    client.create_stack(StackName="inlet-prod", TemplateBody=template, EnableTerminationProtection=True)
    with pytest.raises(Refused, match=r"protected from deletion.*--no-enable-termination-protection"):
        destroy.destroy(where, "prod")


def test_the_edge_s_files_go_with_their_stage(where: Account, prod: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YES", "1")
    where.client("s3").put_object(Bucket="inlet-prod-edge", Key="web/a.js", Body=b"1")
    destroy.destroy(where, "prod")
    assert "inlet-prod-edge" not in {one["Name"] for one in where.client("s3").list_buckets()["Buckets"]}


def test_files_are_uploaded_to_the_edge_once(where: Account, prod: Any, capsys: pytest.CaptureFixture[str]) -> None:
    build.bundle_web()
    edge_files.upload(where, "prod")
    edge_files.upload(where, "prod")
    client = where.client("s3")
    keys = [one["Key"] for one in client.list_objects_v2(Bucket="inlet-prod-edge")["Contents"]]
    (script,) = (key for key in keys if re.fullmatch(r"web/assets/photo-[0-9a-f]{8}\.js", key))
    head = client.head_object(Bucket="inlet-prod-edge", Key=script)
    assert (head["ContentType"], head["CacheControl"]) == (
        "text/javascript; charset=utf-8",
        "public, max-age=31536000, immutable",
    )
    assert client.head_object(Bucket="inlet-prod-edge", Key="web/client/index.js")["CacheControl"] == "no-cache"
    assert not [key for key in keys if key.endswith((".html", ".br", ".gz"))], "HTML is made for each stage"
    first, second = (int(count) for count in re.findall(r"(\d+) of \d+ files are new", capsys.readouterr().err))
    assert first == len(keys)
    assert second == len([key for key in keys if not key.startswith("web/assets/")])


def test_a_domain_that_points_nowhere_yet_is_said(
    where: Account, prod: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried: list[str] = []
    known: list[bool] = [False, True]
    monkeypatch.setattr(deploy, "smoke", tried.append)
    monkeypatch.setattr(deploy, "_is_known", lambda _: known.pop(0))
    deploy.finish(where, "prod")
    assert "d1.cloudfront.net" in capsys.readouterr().err
    deploy.finish(where, "prod")
    assert tried == ["https://api.example.com", "https://inlet.invalid"]


def test_a_stack_is_tried_from_outside(
    start_stack: Callable[..., LocalStack], capsys: pytest.CaptureFixture[str]
) -> None:
    smoke.smoke(start_stack(AUTH_BYPASS="false").url)
    said = capsys.readouterr().err
    assert said.count("401 for a stranger") == 3
    assert "/api/me" in said
    assert "/api/sessions" in said
    assert "/api/mocs/uploads/sessions" in said
    assert "/api/health: " in said.partition("\n")[0], "first of all"
    assert "a WebSocket: told that the job is pending" in said
    assert "from upload to preview" in said


def test_a_stack_that_reaches_no_database_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "WARM_UP_SECONDS", 0)
    ill = {"healthy": False, "version": "1", "commit": None, "schema": None, "database": False, "bucket": True}
    transport = httpx.MockTransport(lambda _: httpx.Response(503, json=ill))
    monkeypatch.setattr(httpx, "Client", partial(httpx.Client, transport=transport))
    with pytest.raises(Refused, match="does not reach the database in time"):
        smoke.smoke("http://api")


def test_a_release_is_one_of_code_and_parameters() -> None:
    first = deploy.release("code", {"LogLevel": "INFO", "Stage": "dev"})
    assert first == deploy.release("code", {"Stage": "dev", "LogLevel": "INFO"}), "else nothing could be deployed twice"
    others = {deploy.release("changed", {"LogLevel": "INFO", "Stage": "dev"}), deploy.release("code", {"Stage": "dev"})}
    assert len(others - {first}) == 2


def test_a_stack_that_cannot_be_watched_is_noticed_unless_it_is_meant(
    start_stack: Callable[..., LocalStack], capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = httpx.MockTransport(lambda _: httpx.Response(201, json={"liveUrl": "ws://127.0.0.1:9/live"}))
    with (
        httpx.Client(base_url="http://api", transport=nowhere) as http,
        pytest.raises(Refused, match="WebSocket failed"),
    ):
        smoke.watch(http, "job", {})
    smoke.smoke(start_stack(AUTH_BYPASS="false", LIVE_UPDATES="off").url)
    assert "live updates are off" in capsys.readouterr().err


def test_routes_that_lost_their_sign_in_are_noticed(stack: LocalStack) -> None:
    """The worker's stack lets everybody in."""
    with pytest.raises(Refused, match="instead of 401"):
        smoke.smoke(stack.url)


def test_an_address_where_nothing_is_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "WARM_UP_SECONDS", 0)
    with pytest.raises(Refused, match="does not answer"):
        smoke.smoke("http://127.0.0.1:9")


def test_a_refusal_is_one_line_and_a_status(
    shell: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["deployment", "deploy", "--stage", "dev"])
    assert command.main() == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_what_aws_refuses_is_told_in_its_words(
    where: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def denied(*_: object) -> None:
        boto3.client("secretsmanager", region_name="eu-north-1").get_secret_value(SecretId="nothing")

    monkeypatch.setattr(command, "write", denied)
    monkeypatch.setattr("sys.argv", ["deployment", "secret", "--region", "eu-north-1"])
    assert command.main() == 1
    assert "AWS refuses GetSecretValue" in capsys.readouterr().err
