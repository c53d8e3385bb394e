"""Live progress: what was changed is pushed to whoever watches it.

A push carries the whole state, exactly as the GET returns it, and its revision; polling stays the truth. So a push may
be lost, repeated or overtaken. It is made after the change is committed, and never fails or holds up who made it:
one that takes too long is given up. Where nobody watches, nothing is read, no client is made, and no call either.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from inlet import database, live_table
from inlet.settings import settings
from inlet.swallowing import swallowed

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient

PATIENCE_SECONDS = 1.0
CONNECT_SECONDS = 0.3
READ_SECONDS = 0.6

type State = Mapping[str, Any]
"""A state as the GET of its topic returns it, with its `revision`."""

type Readers = Mapping[str, Callable[[str, str | None], State]]
"""For each kind of topic: reads the state of an id, of a user where it has one."""


@cache
def client() -> "ApiGatewayManagementApiClient":
    """Return the client that posts to open connections, made when somebody watches for the first time."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=settings.live_endpoint_url,
        config=Config(
            retries={"total_max_attempts": 1},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=live_table.CONNECTIONS_PER_TOPIC,
        ),
    )


def publish(readers: Readers) -> None:
    """Push what this function has changed to whoever watches it. Never fails, and takes about a second at most."""
    end = time.monotonic() + PATIENCE_SECONDS
    for watched in database.take_watched():
        if settings.live_endpoint_url is None:  # switched off while somebody watched
            continue
        if (left := end - time.monotonic()) <= 0:  # many topics at once
            swallowed("push left out", error="no time")
            continue
        try:
            post(watched.connections, message(watched.topic, watched.user_id, readers), patience_seconds=left)
        except Exception as error:  # noqa: BLE001 - the change is made, and whoever asked for it must hear so
            swallowed("push left out", error=type(error).__name__)


def message(topic: str, user_id: str | None, readers: Readers) -> dict[str, Any]:
    """Return the message that tells a topic's state."""
    kind, _, subject = topic.partition(":")
    state = readers[kind](subject, user_id)
    return {"topic": topic, "revision": state["revision"], "state": state}


def post(connections: Sequence[str], said: Mapping[str, Any], *, patience_seconds: float | None = None) -> None:
    """Post a message to several connections at once, and forget those that have ended. Takes a second if not told.

    The client is made before that second begins. With the share of a processor that 512 MB have it takes two where the
    function has no other client; a cold `complete` would never tell that a job is done.
    """
    from concurrent.futures import ThreadPoolExecutor, wait  # here: most functions are never watched

    data = json.dumps(said, separators=(",", ":")).encode()
    push = client().post_to_connection  # before the second begins, and once: no two threads may make a client
    posting = ThreadPoolExecutor(len(connections), thread_name_prefix="push")
    calls = {posting.submit(_post, push, connection, data): connection for connection in connections}
    done, late = wait(calls, timeout=PATIENCE_SECONDS if patience_seconds is None else patience_seconds)
    posting.shutdown(wait=False, cancel_futures=True)
    if late:
        swallowed("pushes given up", count=len(late))
    if ended := [calls[call] for call in done if not call.result()]:
        live_table.drop_gone(ended)


def _post(push: Callable[..., object], connection: str, data: bytes) -> bool:
    """Tell whether the connection is still there, as far as anybody knows."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        push(ConnectionId=connection, Data=data)
    except ClientError as error:
        if error.response["Error"]["Code"] == "GoneException":
            return False
        swallowed("push refused", error=error.response["Error"]["Code"])
    except (BotoCoreError, OSError) as error:
        swallowed("push failed", error=type(error).__name__)
    return True
