"""What IAM decided about the functions' roles, and which of their grants nobody used."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3

from rehearsal.stack import Stack


@dataclass(frozen=True)
class Account:
    """Refused calls in words; the roles that did not use an action they are granted; how many grants there are."""

    refused: list[str]
    unused: dict[str, list[str]]
    granted: int

    @property
    def used(self) -> int:
        """How many grants were used."""
        return self.granted - sum(map(len, self.unused.values()))


def account(decisions: Path, stack: Stack) -> Account:
    """Hold the decisions against the roles' policies."""
    roles = {name: logical_id for logical_id, name in stack.resources["AWS::IAM::Role"].items()}
    allowed: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    refused = set()
    for line in decisions.read_text().splitlines():
        role, action, resource, decision = json.loads(line)
        if decision == "Allow":
            allowed[role].add((action, resource))
        else:
            refused.add((role, action, resource))
    grants = [(role, action, resource) for role, action, resource in _grants() if role in roles]
    unused: defaultdict[str, list[str]] = defaultdict(list)
    for role, action, resource in grants:
        if not any(used == action and fnmatchcase(asked, resource) for used, asked in allowed[role]):
            unused[action].append(roles[role].removesuffix("Role").removesuffix("Function"))
    return Account(
        # What a bucket's policy leaves to the role is asked again of the role; its answer is the one that counts.
        refused=sorted(
            f"{roles.get(role, role)}: {action} {resource}"
            for role, action, resource in refused
            if (action, resource) not in allowed[role]
        ),
        unused=dict(unused),
        granted=len(grants),
    )


def _grants() -> Iterator[tuple[str, str, str]]:
    """Yield every role's name with each action and resource of its own policies."""
    pages = boto3.client("iam").get_paginator("get_account_authorization_details").paginate(Filter=["Role"])
    for role in (role for page in pages for role in page["RoleDetailList"]):
        for policy in role.get("RolePolicyList", []):
            document: Any = policy["PolicyDocument"]
            for statement in document["Statement"]:
                for action in _listed(statement["Action"]):
                    for resource in _listed(statement["Resource"]):
                        yield role["RoleName"], action, resource


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
