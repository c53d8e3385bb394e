"""Pages of a list: which one a request asks for, by `page` and `limit` in its query."""

import re
from dataclasses import dataclass
from typing import Any

from inlet.errors import InvalidRequest

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
MAX_PAGE = 100_000  # bounds how far the database may count

PARAMETERS = [
    {
        "name": name,
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": maximum, "default": default},
    }
    for name, default, maximum in (("page", 1, MAX_PAGE), ("limit", DEFAULT_LIMIT, MAX_LIMIT))
]
"""The two for the API document: they are read by hand, and so no annotation tells them."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page by its number, from 1, and how many entries it has at most."""

    number: int
    limit: int

    @property
    def offset(self) -> int:
        """How many entries the pages before it have."""
        return (self.number - 1) * self.limit


def asked_for(event: dict[str, Any]) -> Page:
    """Return the page that a request asks for. Raise `InvalidRequest`, which says what may be asked for."""
    query = event.get("queryStringParameters") or {}
    return Page(
        _whole_number(query, "page", default=1, maximum=MAX_PAGE),
        _whole_number(query, "limit", default=DEFAULT_LIMIT, maximum=MAX_LIMIT),
    )


def _whole_number(query: dict[str, str], name: str, *, default: int, maximum: int) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch("[1-9][0-9]{0,8}", text) or int(text) > maximum:
        raise InvalidRequest(f"{name} should be a whole number from 1 to {maximum}.")
    return int(text)
