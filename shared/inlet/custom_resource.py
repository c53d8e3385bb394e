"""CloudFormation's custom resources: a function that runs within a deployment, and whose failure undoes it.

CloudFormation waits for a PUT of the outcome to an address in the request, up to an hour if none comes.
Source: AWS CloudFormation User Guide, "Custom resource request and response reference".
"""

import json
import urllib.request
from collections.abc import Callable
from typing import Any

from inlet import background

_TIMEOUT_SECONDS = 10
_REASON_CHARACTERS = 1_000  # the whole answer may have 4,096 bytes


def is_request(event: dict[str, Any]) -> bool:
    """Tell whether CloudFormation calls, and not a person."""
    return "RequestType" in event and "ResponseURL" in event


def answer(event: dict[str, Any], context: Any, work: Callable[[], object]) -> None:
    """Do the work of a creation or an update, and tell CloudFormation how it went. A deletion has nothing to do.

    The stack shows the reason of a failure: what leaves a background function is fit for that.
    """
    outcome = {"Status": "SUCCESS"}
    if event["RequestType"] != "Delete":
        try:
            background.function(lambda *_: work())(event, context)
        except Exception as error:  # noqa: BLE001 - whatever it is, CloudFormation would wait for an hour
            outcome = {"Status": "FAILED", "Reason": f"{type(error).__name__}: {error}"[:_REASON_CHARACTERS]}
    identity = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    # One name for its whole life: another one would have CloudFormation delete the former.
    identity["PhysicalResourceId"] = event.get("PhysicalResourceId", event["LogicalResourceId"])
    body = json.dumps(outcome | identity).encode()
    request = urllib.request.Request(event["ResponseURL"], data=body, method="PUT", headers={"content-type": ""})  # noqa: S310 - CloudFormation's
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
        pass
