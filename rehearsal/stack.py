"""What was deployed, as CloudFormation and its own address tell it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import httpx

from rehearsal.words import Failed
from tests.support.issuer import Issuer


@dataclass(frozen=True)
class Stack:
    """A deployed stack: physical ids by logical ones and type, outputs, and the issuer that it trusts."""

    resources: dict[str, dict[str, str]]
    outputs: dict[str, str]
    issuer: Issuer

    @property
    def functions(self) -> dict[str, str]:
        """The functions: physical names by logical ids."""
        return self.resources["AWS::Lambda::Function"]

    @property
    def url(self) -> str:
        """The address."""
        return self.outputs["Url"]

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.outputs["BucketName"]

    @contextmanager
    def client(self, user: str | None = None) -> Iterator[httpx.Client]:
        """Give a client of the API: a stranger, or somebody who signed in."""
        headers = {"Authorization": f"Bearer {self.issuer.token(sub=user)}"} if user else {}
        with httpx.Client(base_url=self.url, headers=headers, timeout=60) as http:
            yield http

    def invoke(self, logical_id: str, event: Any) -> Any:
        """Invoke a function as an operator would; return its answer."""
        answer = boto3.client("lambda").invoke(FunctionName=self.functions[logical_id], Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise Failed(f"{logical_id}: {payload}")
        return payload

    def released(self, logical_id: str) -> str:
        """Return the version of a function that its alias names."""
        alias = boto3.client("lambda").get_alias(FunctionName=self.functions[logical_id], Name="live")
        return str(alias["FunctionVersion"])

    def environment(self, logical_id: str) -> dict[str, str]:
        """Return a function's environment variables as Lambda has them."""
        found = boto3.client("lambda").get_function_configuration(FunctionName=self.functions[logical_id])
        variables: dict[str, str] = found.get("Environment", {}).get("Variables", {})
        return variables


def deployed(name: str, issuer: Issuer) -> Stack:
    """Return the stack of this name."""
    client = boto3.client("cloudformation")
    resources: dict[str, dict[str, str]] = {}
    for page in client.get_paginator("list_stack_resources").paginate(StackName=name):
        for one in page["StackResourceSummaries"]:
            resources.setdefault(one["ResourceType"], {})[one["LogicalResourceId"]] = one["PhysicalResourceId"]
    (described,) = client.describe_stacks(StackName=name)["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in described["Outputs"]}
    return Stack(resources, outputs, issuer)
