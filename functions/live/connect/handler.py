"""$connect of the WebSocket: let in whoever has a ticket. Anybody else is refused before the connection stands."""

from typing import Any

from inlet import background, identifiers, live_table
from inlet.errors import DatabaseUnavailable
from inlet.settings import settings

type Answer = dict[str, int]


@background.function
def lambda_handler(event: dict[str, Any], _context: Any) -> Answer:
    """Use up the ticket.

    Answers 403 for a page of a foreign origin and for a ticket that is unknown, used or a minute old; 429 where ten
    watch already; 503 where the database does not answer. A client that sends no `Origin` is no browser.
    """
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    origin = headers.get("origin")
    ticket = (event.get("queryStringParameters") or {}).get("ticket") or ""
    if origin is not None and origin not in settings.live_origins:
        return {"statusCode": 403}
    try:
        connected = live_table.connect(identifiers.token_hash(ticket), event["requestContext"]["connectionId"])
    except DatabaseUnavailable:
        return {"statusCode": 503}
    if connected is None:
        return {"statusCode": 403}
    return {"statusCode": 200 if connected else 429}
