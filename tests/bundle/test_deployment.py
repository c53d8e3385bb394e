"""What is handed to CloudFormation, and how: the translated template, `make deploy`, and stages that share nothing."""

import json
import os
import re
import subprocess
from functools import cache
from itertools import combinations
from typing import Any

import pytest

from deployment import deploy, secrets
from deployment.account import STAGES, stack_name
from inlet.settings import FUNCTION_SECRETS
from local.stack import PROJECT
from scripts.build import build_directory
from scripts.translate import EXAMPLES, translated
from tests.bundle.test_agreement import FUNCTIONS, RESOURCES, TEMPLATE, used_settings

# What CloudFormation and Lambda take. Sources: AWS CloudFormation User Guide, "Using dynamic references"; AWS Lambda
# Developer Guide, "Lambda quotas".
MOST_REFERENCES = 60
MOST_LAYERS = 5
MOST_BYTES_OF_VARIABLES = 4096
LONG_SECRETS = {
    "DATABASE_URL": f"postgresql://inlet_api:{'p' * 64}@ep-quiet-water-a1b2c3d4-pooler.eu-central-1.aws.neon.tech/inlet"
    "?sslmode=verify-full&channel_binding=require&application_name=inlet",
    "SERVER_SECRET": "s" * 64,
    "EDGE_SECRET": "e" * 64,
    "S3_ACCESS_KEY_ID": "a" * 32,
    "S3_SECRET_ACCESS_KEY": "k" * 64,
}


@cache
def deployed() -> dict[str, Any]:
    resources: dict[str, Any] = translated()["Resources"]
    return resources


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: one["Properties"] for name, one in deployed().items() if one["Type"] == kind}


def test_origins_keep_the_methods_and_headers_that_their_pages_may_use() -> None:
    """A condition within CorsConfiguration would lose them: SAM takes one at AllowOrigins for the whole of it."""
    body = deployed()["HttpApi"]["Properties"]["Body"]
    condition, cors, _ = body["x-amazon-apigateway-cors"]["Fn::If"]
    assert condition == "HasOrigins"
    assert cors["allowMethods"] == ["GET", "POST", "DELETE"]
    assert "idempotency-key" in cors["allowHeaders"]
    assert cors["exposeHeaders"] == ["etag", "retry-after"]


def test_there_are_no_more_references_to_secrets_than_a_template_may_hold() -> None:
    assert json.dumps(deployed()).count("{{resolve:") <= MOST_REFERENCES


def test_the_variables_of_a_function_fit() -> None:
    secret = json.dumps(LONG_SECRETS)
    assert LONG_SECRETS.keys() == FUNCTION_SECRETS
    for name, function in of_type("AWS::Lambda::Function").items():
        variables = function.get("Environment", {}).get("Variables", {})
        resolved = {key: secret if key == "SECRETS" else json.dumps(value) for key, value in variables.items()}
        assert sum(map(len, [*resolved, *resolved.values()])) < MOST_BYTES_OF_VARIABLES, name
        assert len(function.get("Layers", [])) <= MOST_LAYERS, name


def test_only_who_uses_the_database_is_given_its_address() -> None:
    for name, properties in FUNCTIONS.items():
        has = "SECRETS" in properties.get("Environment", {}).get("Variables", {})
        assert has == ("DATABASE_URL" in used_settings(name) and name != "OperationsMigrateFunction"), name


def test_the_schema_comes_before_the_code() -> None:
    for name, properties in FUNCTIONS.items():
        if "SECRETS" in properties.get("Environment", {}).get("Variables", {}):
            assert RESOURCES[name].get("DependsOn") == "Schema", name
    schema = RESOURCES["Schema"]["Properties"]
    assert schema["Migrations"] == {"Ref": "MigrationsLayer"}, "a new file makes a new layer, and that a new call"
    migrate = RESOURCES["OperationsMigrateFunction"]["Properties"]
    assert migrate["Layers"] == [{"Ref": "MigrationsLayer"}]
    assert migrate["Timeout"] < schema["ServiceTimeout"], "else CloudFormation gives up before the function does"


def test_no_two_routes_are_the_same_to_api_gateway() -> None:
    (api,) = [one for one in of_type("AWS::ApiGatewayV2::Api").values() if "Body" in one]  # the other is of WebSockets
    routes = [
        (method, re.sub(r"\{[^}]*\}", "{}", path)) for path, item in api["Body"]["paths"].items() for method in item
    ]
    assert len(routes) == len(set(routes)) > 20


def test_every_parameter_is_documented() -> None:
    page = (PROJECT / "docs" / "deploy.md").read_text()
    shown = {name for row in re.findall(r"^\| (.+?) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert TEMPLATE["Parameters"].keys() - shown == set()
    assert {name for name in shown if name[0].isupper() and name not in TEMPLATE["Parameters"]} - FUNCTION_SECRETS <= (
        secrets.RESTRICTED_SECRETS
    )


class TestStagesShareNothing:
    @pytest.mark.parametrize(("one", "other"), list(combinations(STAGES, 2)))
    def test_by_name(self, one: str, other: str) -> None:
        def names(stage: str) -> list[str]:
            sam = deploy.configured(stage)
            return [
                stack_name(stage),
                secrets.functions_secret(stage).name,
                secrets.restricted_secret(stage).name,
                sam["Stage"],
            ]

        assert not set(names(one)) & set(names(other))

    def test_the_template_takes_each_stage_s_own_secrets(self) -> None:
        for reference in re.findall(r"\{\{resolve:[^}]*(?:\}[^}]+)*?\}\}", json.dumps(deployed())):
            assert "inlet/${Stage}/" in reference

    def test_names_in_the_template_carry_the_stage(self) -> None:
        """What has a name of its own would stand in another stage's way."""
        for name, resource in deployed().items():
            for key in ("BucketName", "Domain", "StateMachineName", "TableName", "TopicName", "UserPoolName"):
                given = json.dumps(resource.get("Properties", {}).get(key, "Stage"))
                assert re.search(r"Stage|AWS::StackName|BucketName", given), (name, key)


class TestMake:
    """`make -n`: what would be run, in an environment that says nothing."""

    @staticmethod
    def dry_run(*words: str) -> str:
        environment = {"PATH": os.environ["PATH"]}
        command = ["make", "-n", "-o", ".venv/.synced", "-o", "build", *words]
        return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True).stdout

    def test_what_was_built_for_an_architecture_is_deployed_for_it(self) -> None:
        assert "--architecture x86_64" in self.dry_run("deploy", "ARCHITECTURE=x86_64")
        template = build_directory("x86_64") / "template.yaml"
        command = deploy.sam_command(template, "dev", "eu-north-1", {"Architecture": "x86_64"}, is_new=True)
        said = " ".join(command)
        assert f"--template-file {template}" in said
        assert 'Architecture="x86_64"' in said
        assert f"--config-file {PROJECT / 'samconfig.toml'}" in said, "sam looks for it beside the template only"
        assert "--on-failure DELETE" in said

    def test_no_region_but_the_person_s_own(self) -> None:
        shown = subprocess.run(
            ["make", "-s", "-f", "-", "shown"],
            input=f"include {PROJECT / 'Makefile'}\nshown:\n\t@echo region=$$AWS_DEFAULT_REGION\n",
            cwd=PROJECT,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "region=\n" in shown.stdout

    def test_a_function_is_invoked_as_it_was_built(self) -> None:
        said = self.dry_run("invoke", "FUNCTION=ImageJobsStatusFunction", "HOST_ARCHITECTURE=x86_64")
        assert "scripts.build --architecture x86_64" in said
        assert "--template-file .aws-sam/x86_64/build/template.yaml" in said
        assert "--parameter-overrides Architecture=x86_64" in said
        assert "events/ImageJobsStatusFunction.json" in said


def test_what_the_template_demands_is_found_out() -> None:
    needed = {name for name, parameter in TEMPLATE["Parameters"].items() if "Default" not in parameter}
    assert needed == EXAMPLES.keys()
    assert needed <= {*deploy.FOUND, "BucketName"}
