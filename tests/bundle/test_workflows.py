"""The workflows of the forge: what they call is there, who may deploy, and never two at once."""

import re
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from deployment.account import STAGES
from local.stack import PROJECT

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (PROJECT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def deploying() -> dict[str, Any]:
    found: dict[str, Any] = yaml_parse((PROJECT / ".github" / "workflows" / "deploy.yml").read_text())
    return found


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_what_a_workflow_calls_is_there(file: Any) -> None:
    jobs = yaml_parse(file.read_text())["jobs"]
    for name, job in jobs.items():
        assert set([job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])) <= jobs.keys(), name
        if "uses" in job:
            called = yaml_parse((PROJECT / job["uses"]).read_text())
            assert "workflow_call" in called.get("on", called.get(True)), "YAML 1.1 takes `on` for true"
        for step in job.get("steps", []):
            run = step.get("run", "")
            assert set(re.findall(r"make (?:--[\w-]+ )*([a-z]+)", run)) - {"python"} <= TARGETS, run
            assert set(re.findall(r"STAGE=(\w+)", run)) <= set(STAGES)
            assert re.fullmatch(r"[\w./-]+@v\d+", step.get("uses", "a@v1")), "pinned"
            # What an expression puts into a script, a shell would run.
            assert "${{" not in run


def test_staging_is_tried_before_prod_and_prod_is_approved() -> None:
    jobs = deploying()["jobs"]
    assert (jobs["staging"]["needs"], jobs["prod"]["needs"]) == ("test", "staging")
    for stage in ("staging", "prod"):
        runs = [step.get("run", "") for step in jobs[stage]["steps"]]
        (deploy,) = [index for index, run in enumerate(runs) if f"deploy STAGE={stage}" in run]
        (smoke,) = [index for index, run in enumerate(runs) if "make smoke" in run]
        assert deploy < smoke
        assert jobs[stage]["environment"] == stage, "whose reviewers approve, and whose role it gets"


def test_no_key_is_stored_and_no_two_runs_deploy_at_once() -> None:
    workflow = deploying()
    assert workflow["concurrency"] == {"group": "deploy", "cancel-in-progress": False}
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in (PROJECT / ".github" / "workflows" / "deploy.yml").read_text()
    with_token = {name for name, job in workflow["jobs"].items() if "id-token" in job.get("permissions", {})}
    assert with_token == {"staging", "prod"}


def test_the_role_trusts_one_environment_of_one_repository() -> None:
    role = yaml_parse((PROJECT / "deployment" / "delivery" / "role.yaml").read_text())["Resources"]["Role"]
    (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    issuer = "token.actions.githubusercontent.com"
    assert statement["Condition"] == {
        "StringEquals": {
            f"{issuer}:aud": "sts.amazonaws.com",
            f"{issuer}:sub": {"Fn::Sub": "repo:${Repository}:environment:${Environment}"},
        }
    }
