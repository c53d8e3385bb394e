"""Older versions of functions: every release publishes one of each, and AWS keeps them all, which costs.

A version that an alias names stays. So does one of a workflow's functions, for as long as an execution can last after
the next one was published: an execution ends in the versions it began with.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from deployment.account import Account, stack_name

LEAST = timedelta(hours=1)
"""How long a version stays that no workflow names: longer than any function runs."""
UNBOUNDED_SECONDS = 366 * 24 * 3600
"""How long AWS lets an execution last that sets no bound."""


def prune(where: Account, stage: str, now: datetime) -> int:
    """Delete the versions of the stage's functions that nothing can call any more; return how many."""
    client = where.client("lambda")
    resources = dict(_resources(where, stage))
    machines = [name for name, kind in resources.items() if kind == "AWS::StepFunctions::StateMachine"]
    longest = _longest_by_function(where, machines)
    deleted = 0
    for function in (name for name, kind in resources.items() if kind == "AWS::Lambda::Function"):
        for version in _superseded(client, function, now - longest.get(function, LEAST)):
            client.delete_function(FunctionName=function, Qualifier=version)
            deleted += 1
    return deleted


def _resources(where: Account, stage: str) -> Iterator[tuple[str, str]]:
    """Yield the physical name and the type of every resource of the stack."""
    pages = where.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack_name(stage))
    for one in (summary for page in pages for summary in page["StackResourceSummaries"]):
        yield one["PhysicalResourceId"], one["ResourceType"]


def _longest_by_function(where: Account, machines: list[str]) -> dict[str, timedelta]:
    """Return, for each function that a workflow calls, how long an execution of that workflow can last."""
    client, longest = where.client("stepfunctions"), dict[str, timedelta]()
    for machine in machines:
        definition = client.describe_state_machine(stateMachineArn=machine)["definition"]
        lasts = timedelta(seconds=json.loads(definition).get("TimeoutSeconds", UNBOUNDED_SECONDS))
        for function in re.findall(r":function:([\w-]+)", definition):
            longest[function] = max(lasts, longest.get(function, LEAST))
    return longest


def _superseded(client: Any, function: str, before: datetime) -> Iterator[str]:
    """Yield the versions that no alias names, and after which another one was published before that time."""
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=function)
    published = {one["Version"]: one["LastModified"] for page in pages for one in page["Versions"]}
    published.pop("$LATEST", None)
    aliases = client.list_aliases(FunctionName=function)["Aliases"]
    named = {alias["FunctionVersion"] for alias in aliases}
    named.update(*(alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}) for alias in aliases))
    for version, successor in pairwise(sorted(published, key=int)):
        if version not in named and datetime.fromisoformat(published[successor]) < before:
            yield version
