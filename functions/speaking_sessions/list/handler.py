"""GET /api/sessions: return a page of the user's recordings, newest first."""

import re

from inlet import api, authentication
from inlet.answers import Family
from inlet.errors import InvalidRequest
from inlet.speaking_sessions import messages, speaking_sessions_table
from inlet.speaking_sessions.messages import RecordingPage

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
MAX_PAGE = 100_000  # bounds how far the database may count

app = api.Resolver(Family.SPEAKING_SESSIONS, validation=False)


@app.get(
    "/api/sessions",
    security=api.SIGNED_IN,
    openapi={
        "parameters": [
            {
                "name": name,
                "in": "query",
                "schema": {"type": "integer", "minimum": 1, "maximum": maximum, "default": default},
            }
            for name, default, maximum in (("page", 1, MAX_PAGE), ("limit", DEFAULT_LIMIT, MAX_LIMIT))
        ]
    },
)
def list_speaking_sessions() -> RecordingPage:
    """List speaking sessions.

    Returns a page of the user's sessions, newest first, and how many there are in all. A user who has never recorded
    anything has none.
    """
    user = authentication.current_user(app.event)
    page = _whole_number("page", default=1, maximum=MAX_PAGE)
    limit = _whole_number("limit", default=DEFAULT_LIMIT, maximum=MAX_LIMIT)
    found = speaking_sessions_table.page(user, page, limit=limit)
    return {
        "sessions": [messages.listed(session) for session in found.sessions],
        "total": found.total,
        "page": page,
        "limit": limit,
    }


def _whole_number(name: str, *, default: int, maximum: int) -> int:
    text = (app.event.get("queryStringParameters") or {}).get(name, str(default))
    if not re.fullmatch("[1-9][0-9]{0,8}", text) or int(text) > maximum:
        raise InvalidRequest(f"{name} should be a whole number from 1 to {maximum}.")
    return int(text)


lambda_handler = app.lambda_handler
