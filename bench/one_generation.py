"""One invocation of the generate function in a process of its own, as Lambda makes one; prints its peak bytes, and what
was raised.

`bench.memory` runs it in fresh processes, with the function's environment and the event as its argument.
"""

import json
import sys

import awslambdaric.bootstrap  # noqa: F401 - Lambda's runtime, which lives in the function's memory

from bench.in_process import handler
from bench.one_photograph import peak_bytes


class Context:
    """What the function asks of Lambda's context."""

    aws_request_id = "bench"
    function_name = "generate"


if __name__ == "__main__":
    error = ""
    try:
        handler("image_stages/generate")(json.loads(sys.argv[1]), Context)
    except Exception as raised:  # noqa: BLE001 - its name is what is asked for
        error = f"{type(raised).__name__}: {raised}"
    print(json.dumps({"peak": peak_bytes(), "error": error}))
