"""`make deploy STAGE=dev`: from an account to a working address, or a refusal that says what is missing."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import WaiterError

from deployment import edge_files, secrets
from deployment.account import WAITING, Account, outputs, stack_name, stack_status
from deployment.protection import protect
from deployment.smoke import smoke
from deployment.versions import prune
from deployment.words import Refused, say
from scripts.build import ROOT, STAMP, build_directory

# A file of one's own, outside the clone, keeps a stage's parameters out of what git pulls.
CONFIGURATION = Path(os.environ.get("SAMCONFIG") or ROOT / "samconfig.toml").resolve()
# Which sam makes for what it uploads, unless samconfig.toml names a bucket.
SAM_STACK = "aws-sam-cli-managed-default"
# What this program finds out by itself; samconfig.toml has the rest.
FOUND = ("Stage", "Architecture", "FunctionsSecretVersion", "RestrictedSecretVersion", "Release", "Commit")


def deploy(where: Account, stage: str, architecture: str) -> None:
    """Deploy what was built for `architecture`, wait, and try it from outside."""
    template = build_directory(architecture) / "template.yaml"
    if not template.exists():
        raise Refused(f"Nothing is built for {architecture}. `make build ARCHITECTURE={architecture}` first.")
    status = stack_status(where, stage)
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"):
        raise Refused(
            f"The stack {stack_name(stage)} is {status}: `make destroy STAGE={stage}` first, then deploy again."
        )
    parameters = parameters_of(where, stage, architecture)
    parameters["Commit"] = commit()
    parameters["Release"] = release((template.parent / STAMP).read_text(), parameters)
    say(f"Deploying {stack_name(stage)} to account {where.number}, region {where.region}, as {where.caller}")
    command = sam_command(template, stage, where.region, parameters, is_new=status is None)
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:  # noqa: S603 - fixed words and checked values
        raise Refused("sam did not deploy; what it said stands above.")
    protect(where, stage)
    edge_files.upload(where, stage)
    finish(where, stage)
    say(f"{prune(where, stage, datetime.now(UTC))} older versions of functions are deleted; no execution needs them.")


def rotate(where: Account, stage: str) -> None:
    """Bring the newest version of the secrets to the functions, which otherwise stay as they are."""
    if stack_status(where, stage) is None:
        raise Refused(f"There is no stack {stack_name(stage)}. `make deploy STAGE={stage}` makes it.")
    client, versions = where.client("cloudformation"), secret_versions(where, stage)
    (stack,) = client.describe_stacks(StackName=stack_name(stage))["Stacks"]
    before = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    if versions.items() <= before.items():
        say("The functions have the newest version already.")
        finish(where, stage)
        return
    # A release of its own: without one the alias would go on naming versions that have the old secrets.
    changed = versions | {"Release": release(before["Release"], versions)}
    parameters = [
        {"ParameterKey": name, "ParameterValue": changed[name]}
        if name in changed
        else {"ParameterKey": name, "UsePreviousValue": True}
        for name in before
    ]
    try:
        client.update_stack(
            StackName=stack_name(stage),
            TemplateURL=_original_template(where, stage),
            Parameters=parameters,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        say(f"{stack_name(stage)} takes the secrets' newest version …")
        client.get_waiter("stack_update_complete").wait(StackName=stack_name(stage), WaiterConfig=WAITING)
    except WaiterError as error:
        raise Refused("The stack did not take them, and went back to what it had; its events say why.") from error
    finish(where, stage)


def _original_template(where: Account, stage: str) -> str:
    """Put the template that was deployed where CloudFormation can read it; return the address.

    `UsePreviousTemplate` would take what SAM made of it for the release before: nothing would be published anew.
    """
    found = where.client("cloudformation").get_template(StackName=stack_name(stage), TemplateStage="Original")
    body = found["TemplateBody"]
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    bucket = _section(stage).get("s3_bucket") or outputs(where, SAM_STACK)["SourceBucket"]
    key = f"{stack_name(stage)}/{hashlib.sha256(content).hexdigest()}.template"
    where.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
    domain = "amazonaws.com.cn" if where.partition == "aws-cn" else "amazonaws.com"
    return f"https://s3.{where.region}.{domain}/{bucket}/{key}"


def finish(where: Account, stage: str) -> None:
    """Try the stack from outside, and tell its address."""
    told = outputs(where, stack_name(stage))
    url = told["Url"]
    if (edge := told.get("EdgeAddress")) and not _is_known(urlsplit(url).netloc):
        say(f"{url} is not in the DNS yet: let it point to {edge} (CNAME or ALIAS). Until then the API answers alone.")
        url = told["ApiUrl"]
    say("Trying it from outside:")
    smoke(url)
    print(url)


def release(before: str, changed: Mapping[str, str]) -> str:
    """Return the number of a release: the same for the same code (or release before) and the same parameters."""
    return hashlib.sha256(json.dumps([before, sorted(changed.items())]).encode()).hexdigest()


def commit() -> str:
    """Return the commit that is deployed, marked where files differ from it; empty where there is no repository."""
    asked = ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty"]
    try:
        return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""


def _is_known(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, 443))
    except OSError:
        return False


def parameters_of(where: Account, stage: str, architecture: str) -> dict[str, str]:
    """Return the template's parameters: what samconfig.toml says for the stage, and what can be found out."""
    chosen = configured(stage)
    if clash := sorted(chosen.keys() & set(FOUND) - {"Stage"}):
        raise Refused(f"samconfig.toml must not set {', '.join(clash)}: `make deploy` finds it.")
    if quoted := sorted(name for name, value in chosen.items() if '"' in value):
        raise Refused(f"samconfig.toml: the value of {', '.join(quoted)} must have no quotation mark within.")
    if chosen.get("R2Endpoint") and not chosen.get("BucketName"):
        raise Refused("samconfig.toml sets R2Endpoint: set BucketName to the bucket's name in R2 as well.")
    default_bucket = f"inlet-{stage}-{where.number}-{where.region}"
    wanted = {"GEMINI_API_KEY": chosen.get("Generator") == "gemini", "WEBHOOK_SECRETS": bool(chosen.get("WebhookUrl"))}
    also = frozenset(name for name, is_wanted in wanted.items() if is_wanted)
    r2_keys = frozenset({"S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"}) if chosen.get("R2Endpoint") else frozenset[str]()
    edge = frozenset({"EDGE_SECRET"}) if chosen.get("DomainName") else frozenset[str]()
    return {
        "BucketName": default_bucket,
        **chosen,
        "Stage": stage,
        "Architecture": architecture,
        **secret_versions(where, stage, functions_also=r2_keys | edge, restricted_also=also),
    }


def secret_versions(
    where: Account,
    stage: str,
    functions_also: frozenset[str] = frozenset(),
    restricted_also: frozenset[str] = frozenset(),
) -> dict[str, str]:
    """Return the parameters that name the secrets' versions; refuse secrets that lack something."""
    return {
        "FunctionsSecretVersion": secrets.complete(where, secrets.functions_secret(stage), functions_also).id,
        "RestrictedSecretVersion": secrets.complete(where, secrets.restricted_secret(stage), restricted_also).id,
    }


def configured(stage: str) -> dict[str, str]:
    """Return the stage's own parameters in samconfig.toml."""
    overrides = _section(stage).get("parameter_overrides", [])
    return {name: value.strip("\"'") for name, value in (one.split("=", 1) for one in overrides)}


def _section(stage: str) -> dict[str, Any]:
    """Return what samconfig.toml has sam do for the stage."""
    found: dict[str, Any] = tomllib.loads(CONFIGURATION.read_text())[stage]["deploy"]["parameters"]
    return found


def sam_command(template: Path, stage: str, region: str, parameters: dict[str, str], *, is_new: bool) -> list[str]:
    """Return the call of sam: everything it might guess is said."""
    return [
        *(sys.executable, "-m", "samcli", "deploy"),
        *("--config-file", str(CONFIGURATION), "--config-env", stage),
        *("--template-file", str(template), "--region", region),
        # A first try that fails would leave a stack that can only be deleted.
        *(("--on-failure", "DELETE") if is_new else ()),
        *(("--no-confirm-changeset",) if os.environ.get("YES") else ()),
        # In quotes: sam ends a value at its first space, and rate(1 hour) has one.
        *("--parameter-overrides", *(f'{name}="{value}"' for name, value in parameters.items())),
    ]
