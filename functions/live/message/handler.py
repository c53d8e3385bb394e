"""What a client says over its WebSocket: `hello`, `ping`, or how much of a file it has sent.

It watches what its ticket was for, and can ask for nothing else.
"""

from typing import Any

from inlet import background, identifiers, live, live_table, request_body, topics
from inlet.errors import InletError, InvalidRequest
from inlet.logs import logger

MOST_BYTES = 2**53


@background.function
def lambda_handler(event: dict[str, Any], _context: Any) -> dict[str, int]:
    """Answer `hello` with the state, `ping` with `pong`; relay `progress`. Leave anything else unanswered."""
    connection = event["requestContext"]["connectionId"]
    try:
        said = request_body.loads(event.get("body") or "")
    except InvalidRequest:
        return {"statusCode": 400}
    match said:
        case {"action": "hello"}:
            _greet(connection)
        case {"action": "ping"}:
            live.post([connection], {"action": "pong"})
        case {"action": "progress", "fileId": str(file), "sent": int(sent)}:
            _relay(connection, file, sent)
        case _:
            return {"statusCode": 400}
    return {"statusCode": 200}


def _greet(connection: str) -> None:
    viewer = live_table.viewer(connection)
    if viewer is None:
        return
    try:
        state = live.message(viewer.topic, viewer.user_id, topics.LIVE)
    except InletError as error:  # deleted meanwhile, say: its GET says so
        logger.info("not told", extra={"error": type(error).__name__})
    else:
        live.post([connection], state)


def _relay(connection: str, file: str, sent: int) -> None:
    """Tell the others who watch the session what this one says it has sent; never more than once a second."""
    file_id = identifiers.canonical_uuid(file)
    if file_id is None or isinstance(sent, bool) or not 0 <= sent < MOST_BYTES:
        return
    if others := live_table.report(connection):
        live.post(others.connections, {"topic": others.topic, "fileId": file_id, "reportedBytes": sent})
