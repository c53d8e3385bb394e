"""$disconnect of the WebSocket: forget the connection. It may never come; then a push or the sweeper finds out."""

from typing import Any

from inlet import background, live_table


@background.function
def lambda_handler(event: dict[str, Any], _context: Any) -> dict[str, int]:
    """Forget the connection."""
    live_table.drop([event["requestContext"]["connectionId"]])
    return {"statusCode": 200}
