"""Says what it was told; does what `do` says, in the event or in its query string."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from wording import WORDS  # type: ignore[import-not-found]  # of shared/, on the path of functions only

calls = 0


class Passing(Exception):
    """An error that a retry may overcome."""


class Permanent(Exception):
    """An error that no retry overcomes."""


def lambda_handler(event: dict[str, Any], context: Any) -> Any:
    """The event and the facts around it, unless told otherwise."""
    global calls
    calls += 1
    told = event.get("queryStringParameters") or event
    note_call(told)
    match told.get("do"):
        case "answer":
            return json.loads(told["value"])
        case "sleep":
            time.sleep(float(told["seconds"]))
        case "exit":
            sys.exit(7)
        case "crash":
            os.abort()
        case "pass" if number_of_calls(told) <= int(told["times"]):
            raise Passing("not yet")
        case "fail":
            raise Permanent("the image is no image")
        case "bytes":
            return "x" * int(told["size"])
        case "unserialisable":
            return {1, 2}
        case "remember":
            os.environ["REMEMBERED"] = told["value"]
    return {
        "event": event,
        "calls": calls,
        "pid": os.getpid(),
        "words": WORDS,
        "path": sys.path,
        "directory": str(Path.cwd()),
        "environment": dict(os.environ),
        "context": {
            "aws_request_id": context.aws_request_id,
            "function_name": context.function_name,
            "memory_limit_in_mb": context.memory_limit_in_mb,
            "invoked_function_arn": context.invoked_function_arn,
            "remaining": context.get_remaining_time_in_millis(),
        },
    }


def note_call(told: dict[str, Any]) -> None:
    """Append a line to the file named in `journal`: it outlives sandboxes and is seen by tests."""
    if journal := told.get("journal"):
        with Path(journal).open("a") as file:
            file.write(f"{time.time()}\n")


def number_of_calls(told: dict[str, Any]) -> int:
    """How often the journal was written to."""
    return len(Path(told["journal"]).read_text().splitlines())
