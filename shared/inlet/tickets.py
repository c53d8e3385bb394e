"""Tickets: each opens one WebSocket, once, within a minute, for one topic.

A ticket stands in the URL of a handshake, where a lasting token must not. Only its hash is stored.
"""

from typing import TypedDict

from inlet import identifiers, live_table
from inlet.errors import LiveUpdatesOff
from inlet.limits import HOUR_SECONDS, Limit
from inlet.settings import settings
from inlet.times import iso_utc

TICKETS_PER_HOUR = 600
"""For one topic. Ten viewers who lose their connection every minute need as many."""


class LiveTicket(TypedDict):
    """Where to open a WebSocket, once, and until when that may be."""

    liveUrl: str
    expiresAt: str


def check(topic: str) -> None:
    """Raise `LiveUpdatesOff` where progress is not pushed, and `LimitExceeded` for too many tickets."""
    if settings.live_url is None:
        raise LiveUpdatesOff
    _limit(topic).check()


def issue(topic: str, *, user_id: str | None = None) -> LiveTicket:
    """Give out a ticket for a topic that the caller may read. Raise `LiveUpdatesOff` or `LimitExceeded`."""
    if settings.live_url is None:
        raise LiveUpdatesOff
    _limit(topic).require()
    ticket = identifiers.new_token()
    expires_at = live_table.issue(identifiers.token_hash(ticket), topic, user_id)
    return {"liveUrl": url(settings.live_url, ticket), "expiresAt": iso_utc(expires_at)}


def url(live_url: str, ticket: str) -> str:
    """Return the URL that a ticket opens."""
    return f"{live_url}?ticket={ticket}"


def _limit(topic: str) -> Limit:
    return Limit.of("live", [(topic, TICKETS_PER_HOUR)], window_seconds=HOUR_SECONDS)
