"""Talks over a WebSocket: writes every event down, and answers a message by posting to its connection."""

import json
import os
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError


def lambda_handler(event: dict[str, Any], _context: Any) -> Any:
    """Do what `do` says, in the query string of the handshake or in the message; else say which event came."""
    if journal := os.environ.get("JOURNAL"):
        with Path(journal).open("a") as file:
            file.write(json.dumps(event) + "\n")
    told = event.get("queryStringParameters") or json_of(event.get("body", ""))
    match told.get("do"):
        case "fail":
            raise ValueError("told to fail")
        case "wait":
            while not Path(told["file"]).exists():
                time.sleep(0.01)
        case "post":  # while the handshake is not answered yet
            return {"statusCode": 200 if post(event, "early") is None else 418}
        case "answer":
            return json.loads(told["value"])
    if "body" in event:
        post(event, json.dumps({"route": event["requestContext"]["routeKey"], "event": event}))
    return {"statusCode": 200}


def post(event: dict[str, Any], text: str) -> str | None:
    """Post to the connection of the event; return the code of the refusal, if there is one."""
    client = boto3.client("apigatewaymanagementapi")
    try:
        client.post_to_connection(ConnectionId=event["requestContext"]["connectionId"], Data=text.encode())
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def json_of(text: str) -> dict[str, Any]:
    """Return the object that a text is, or an empty one."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
