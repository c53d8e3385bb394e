"""Lambda's Invoke, for functions that call others: as a WSGI application, behind the workflow engine's door.

A function can be called whose name stands in another one's environment, for so its callers learn the name on AWS. An
asynchronous call is tried once: a function that has no concurrency left, or fails, is not called again.
"""

import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from local_aws.cloudformation import ACCOUNT, REGION, unqualified
from local_aws.sandboxes import EventTooLarge, Outcome, SandboxesStopped, Throttled
from local_aws.template import Function

PATH = re.compile("/2015-03-31/functions/(?P<name>[^/]+)/invocations")


class Invocations:
    """Answers `Invoke` for one stack."""

    def __init__(self, functions: Mapping[str, Function], invoke: Callable[[str, Any], Outcome]) -> None:
        named = {value for function in functions.values() for value in function.environment.values()}
        by_arn = {function.arn: logical_id for logical_id, function in functions.items()}
        self._callable = {name: by_arn[arn] for name in named if (arn := _arn(name)) in by_arn}
        self._invoke = invoke

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request for `PATH`."""
        found = PATH.fullmatch(environ["PATH_INFO"])
        function = self._callable.get(found["name"]) if found else None
        if function is None or environ["REQUEST_METHOD"] != "POST":
            return _answer(start_response, "404 Not Found", {"x-amzn-errortype": "ResourceNotFoundException"}, {})
        try:
            event = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
        except ValueError:
            refused = {"x-amzn-errortype": "InvalidRequestContentException"}
            return _answer(start_response, "400 Bad Request", refused, {})
        if environ.get("HTTP_X_AMZ_INVOCATION_TYPE") == "Event":
            threading.Thread(target=self._later, args=(function, event), daemon=True).start()
            return _answer(start_response, "202 Accepted", {}, None)
        try:
            outcome = self._invoke(function, event)
        except (Throttled, SandboxesStopped):
            refused = {"x-amzn-errortype": "TooManyRequestsException"}
            return _answer(start_response, "429 Too Many Requests", refused, {})
        if outcome.error is not None:
            return _answer(start_response, "200 OK", {"x-amz-function-error": "Unhandled"}, outcome.error)
        return _answer(start_response, "200 OK", {}, outcome.payload)

    def _later(self, function: str, event: Any) -> None:
        with suppress(EventTooLarge, Throttled, SandboxesStopped):
            self._invoke(function, event)


def _arn(name: str) -> str:
    """Return the ARN of the function that a caller names by its ARN, by that of its alias, or by its name."""
    return unqualified(name) if name.startswith("arn:") else f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def _answer(start_response: Callable[..., Any], status: str, headers: dict[str, str], body: Any) -> Iterable[bytes]:
    content = b"" if status.startswith("202") else json.dumps(body).encode()
    own = [("Content-Type", "application/json"), ("Content-Length", str(len(content))), ("Connection", "close")]
    start_response(status, [*own, *headers.items()])
    return [content]
