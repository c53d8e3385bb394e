"""Whose account is deployed to, and where in it: from the person's own profile, or not at all."""

from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deployment.words import Refused

STAGES = ("dev", "staging", "prod")
# How a stack is waited for: asked often, and for longer than CloudFormation itself waits for anything.
WAITING = {"Delay": 5, "MaxAttempts": 1440}


@dataclass(frozen=True)
class Account:
    """An AWS account, a region in it, and who calls."""

    number: str
    region: str
    caller: str
    session: Any

    @property
    def partition(self) -> str:
        """The part of AWS: `aws`, `aws-cn` or `aws-us-gov`."""
        return str(self.session.get_partition_for_region(self.region))

    def client(self, service: str) -> Any:
        """Return a boto3 client in the account's region."""
        return self.session.client(service)


def account(region: str = "") -> Account:
    """Return the account of the person's credentials. Refuse without a region: a guess deploys a second stack."""
    try:
        session = boto3.Session(region_name=region or None)
        if not session.region_name:
            raise Refused(
                "No region is set. Say where to deploy: `aws configure set region eu-west-1`, or REGION=eu-west-1."
            )
        identity = session.client("sts").get_caller_identity()
    except ClientError as error:
        raise Refused(f"AWS refuses your credentials: {error.response['Error']['Message']}") from error
    except BotoCoreError as error:
        raise Refused(
            f"No AWS account is at hand ({error}). Sign in (`aws sso login`, `aws configure`) or set AWS_PROFILE."
        ) from error
    return Account(identity["Account"], session.region_name, identity["Arn"], session)


def known_stage(stage: str) -> str:
    """Return the stage; refuse one that there is not."""
    if stage not in STAGES:
        raise Refused(f"STAGE is one of {', '.join(STAGES)}, not {stage!r}. `make run` is the local one.")
    return stage


def stack_name(stage: str) -> str:
    """Return the name of a stage's stack."""
    return f"inlet-{stage}"


def outputs(where: Account, stack: str) -> dict[str, str]:
    """Return what a stack tells of itself, given its name."""
    (found,) = where.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}


def stack_status(where: Account, stage: str) -> str | None:
    """Return the state of the stage's stack, None where there is none."""
    try:
        (stack,) = where.client("cloudformation").describe_stacks(StackName=stack_name(stage))["Stacks"]
    except ClientError as error:
        if "does not exist" in error.response["Error"]["Message"]:
            return None
        raise
    return str(stack["StackStatus"])
