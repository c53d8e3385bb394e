"""What keeps prod's data and running work from one wrong deployment or one wrong click."""

import json

from deployment.account import Account, stack_name
from deployment.words import Refused, say

# Replacing the bucket or the pool leaves files or accounts behind; replacing a state machine ends what runs in it.
LASTING = ("Bucket", "UserPool", "ProcessImageStateMachine", "AnalyseRecordingStateMachine")


def protect(where: Account, stage: str) -> None:
    """Have CloudFormation refuse to delete prod, and any update that replaces or deletes what lasts."""
    if stage != "prod":
        return
    client, name = where.client("cloudformation"), stack_name(stage)
    client.update_termination_protection(StackName=name, EnableTerminationProtection=True)
    client.set_stack_policy(StackName=name, StackPolicyBody=json.dumps(stack_policy()))
    say(f"{name} is protected: from deletion, and from replacing {', '.join(LASTING)}")


def stack_policy() -> dict[str, object]:
    """Return the policy: everything may be updated, what lasts in place only."""
    everything = {"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*"}
    lasting = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["Update:Replace", "Update:Delete"],
        "Resource": [f"LogicalResourceId/{name}" for name in LASTING],
    }
    return {"Statement": [everything, lasting]}


def refuse_protected(where: Account, stage: str) -> None:
    """Refuse to delete a stack that is protected from it."""
    name = stack_name(stage)
    (stack,) = where.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    if stack.get("EnableTerminationProtection"):
        raise Refused(
            f"{name} is protected from deletion. To lift that: aws cloudformation update-termination-protection"
            f" --no-enable-termination-protection --stack-name {name} --region {where.region}"
        )
