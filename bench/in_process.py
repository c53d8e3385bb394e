"""A handler called in this process, as the benchmarks time it: no sandbox, no gateway, the real database and bucket."""

import importlib.util
import io
import json
import os
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from inlet import database, storage, workflow
from inlet.logs import logger
from inlet.settings import settings

ROOT = Path(__file__).resolve().parent.parent

type Handler = Callable[[dict[str, Any], Any], Any]

printed = io.StringIO()
"""What handlers print: metrics, which would stand between the tables."""


class Context:
    """What a handler may ask of Lambda's context."""

    aws_request_id = "bench"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """Return more than any handler takes."""
        return 300_000


def use(environment: Mapping[str, str]) -> None:
    """Make this process a function of the stack with that environment."""
    os.environ.update(environment)
    settings.reload()
    logger.setLevel("ERROR")
    database.close()
    storage.client.cache_clear()
    workflow.client.cache_clear()


def handler(folder: str) -> Handler:
    """Return the Lambda handler of `functions/{folder}`."""
    path = ROOT / "functions" / folder / "handler.py"
    spec = importlib.util.spec_from_file_location(f"bench.loaded.{folder.replace('/', '.')}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"Cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loaded: Handler = module.lambda_handler

    def quiet(event: dict[str, Any], context: Any) -> Any:
        with redirect_stdout(printed):
            return loaded(event, context)

    return quiet


def request(method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return an API Gateway event (payload format 2.0) with what handlers read of it."""
    return {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"} | dict(headers or {}),
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "127.0.0.1"}, "stage": "$default"},
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def answer(reply: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON body of a handler's reply, which must be a success."""
    if reply["statusCode"] >= 300:
        raise RuntimeError(f"{reply['statusCode']}: {reply['body']}")
    body: dict[str, Any] = json.loads(reply["body"])
    return body
