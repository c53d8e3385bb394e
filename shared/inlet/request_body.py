"""The body of a request: its bytes, its limits, and strict JSON.

A lenient parser lets through what two readers of one body understand differently. So the parser refuses repeated keys,
NaN, NUL characters, lone surrogates and nesting over `MAX_DEPTH` (docs/api.md, rules that hold everywhere).
"""

import base64
import json
import re
from typing import Any, NoReturn

from inlet.errors import InvalidRequest, RequestTooLarge

type Event = dict[str, Any]

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
_SURROGATE_OR_NUL = re.compile("[\x00\ud800-\udfff]")


def content(event: Event) -> bytes:
    """Return the body of an API Gateway event as bytes; empty where there is none."""
    body: str = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass")


def check_size(size: int, limit: int = MAX_BYTES) -> None:
    """Raise `RequestTooLarge` for a body of more than `limit` bytes."""
    if size > limit:
        raise RequestTooLarge(f"The request body may have at most {limit} bytes.")


def loads(text: str) -> Any:
    """Parse JSON. Raise `InvalidRequest` where it is malformed or holds what the module forbids."""
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The request body is not valid JSON.") from error
    _check(value, 1)
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidRequest("The request body repeats a key.")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"The request body contains {name}, which is not JSON.")


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        if _SURROGATE_OR_NUL.search(value):
            raise InvalidRequest("The request body contains a NUL or a lone surrogate.")
    elif isinstance(value, float):
        if value in (float("inf"), float("-inf")):
            raise InvalidRequest("The request body contains a number that is too large.")
    elif isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            raise InvalidRequest(f"The request body is nested more than {MAX_DEPTH} deep.")
        if isinstance(value, dict):
            for key in value:
                _check(key, depth)
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth + 1)
