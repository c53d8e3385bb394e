"""Lambda's Invoke on this machine, by a real boto3 client, behind the engine's door."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws.cloudformation import ACCOUNT, REGION
from local_aws.sandboxes import Outcome, Throttled
from local_aws.template import Function
from local_aws.workflow_engine import WorkflowEngine

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


def function(name: str, **environment: str) -> Function:
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:shop-{name}"
    return Function(name, arn, Path(), "handler", timeout=1, memory=128, environment=environment)


class Called:
    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []
        self.came = threading.Event()

    def __call__(self, name: str, event: Any) -> Outcome:
        self.events.append((name, event))
        self.came.set()
        if event.get("busy"):
            raise Throttled(name)
        error = {"errorType": "KeyError", "errorMessage": "'x'"} if event.get("fails") else None
        return Outcome(name, "", 0, payload={"name": name}, error=error)


@pytest.fixture
def called() -> Called:
    return Called()


@pytest.fixture
def client(called: Called) -> Iterator["LambdaClient"]:
    functions = {"Buy": function("Buy", THANKS="shop-Thank"), "Thank": function("Thank"), "Own": function("Own")}
    engine = WorkflowEngine([], functions, called).start()
    yield boto3.client(
        "lambda",
        endpoint_url=engine.endpoint_url,
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )
    engine.stop()


def test_an_asynchronous_call_is_accepted_and_made(client: "LambdaClient", called: Called) -> None:
    answer = client.invoke(FunctionName="shop-Thank", InvocationType="Event", Payload=b'{"who": "Ada"}')
    assert answer["StatusCode"] == 202
    assert called.came.wait(10)
    assert called.events == [("Thank", {"who": "Ada"})]


def test_a_synchronous_call_is_answered(client: "LambdaClient") -> None:
    answer = client.invoke(FunctionName="shop-Thank", Payload=b"{}")
    assert json.load(answer["Payload"]) == {"name": "Thank"}
    failed = client.invoke(FunctionName="shop-Thank", Payload=b'{"fails": true}')
    assert failed["FunctionError"] == "Unhandled"
    assert json.load(failed["Payload"])["errorType"] == "KeyError"
    with pytest.raises(client.exceptions.TooManyRequestsException):
        client.invoke(FunctionName="shop-Thank", Payload=b'{"busy": true}')
    with pytest.raises(client.exceptions.InvalidRequestContentException):
        client.invoke(FunctionName="shop-Thank", Payload=b"{")


@pytest.mark.parametrize("name", ["shop-Own", "shop-Buy", "shop-Nobody"])
def test_only_a_function_that_another_one_knows_can_be_called(
    client: "LambdaClient", called: Called, name: str
) -> None:
    with pytest.raises(ClientError) as refused:
        client.invoke(FunctionName=name, Payload=b"{}")
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert called.events == []
