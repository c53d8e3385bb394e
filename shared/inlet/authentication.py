"""Who is calling: the bearer of an upload's token (family A), a signed-in user (B and C), or an address (limits)."""

import ipaddress
from dataclasses import dataclass
from typing import Any

from inlet import identifiers
from inlet.errors import Unauthorized
from inlet.settings import settings

type Event = dict[str, Any]

SESSION_TOKEN_HEADER = "x-session-token"  # noqa: S105 - a header's name


@dataclass(frozen=True, slots=True)
class User:
    """A signed-in user: `sub` identifies; the rest is what the identity provider tells."""

    sub: str
    email: str | None = None
    name: str | None = None


def session_token(event: Event) -> str | None:
    """The upload token the caller presents, if any. API Gateway lower-cases header names."""
    return (event.get("headers") or {}).get(SESSION_TOKEN_HEADER) or None


def require_session_token(event: Event) -> str:
    """The upload token; raises `Unauthorized` before anything is read when there is none."""
    if token := session_token(event):
        return token
    raise Unauthorized("The X-Session-Token header is missing.")


def check_session_token(token: str, stored_hash: str) -> None:
    """Raise `Unauthorized` unless the token is the one whose hash is stored (constant time)."""
    if not identifiers.token_matches(token, stored_hash):
        raise Unauthorized("The X-Session-Token does not belong to this upload.")


def current_user(event: Event) -> User:
    """The user the gateway's JWT authorizer vouches for; `DEV_USER_SUB` under `AUTH_BYPASS`; else `Unauthorized`."""
    authorizer = (event.get("requestContext") or {}).get("authorizer") or {}
    claims = (authorizer.get("jwt") or {}).get("claims") or {}
    if sub := claims.get("sub"):
        return User(sub=sub, email=claims.get("email"), name=claims.get("name"))
    if settings.auth_bypass:
        return User(sub=settings.dev_user_sub)
    raise Unauthorized


def client_network(event: Event) -> str:
    """The client's address as the gateway saw it, never from a header; an IPv6 client is its /64 (one subscriber)."""
    address = ipaddress.ip_address(event["requestContext"]["http"]["sourceIp"])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False).network_address)
    return str(address)


def caller(event: Event) -> str:
    """One string per caller, to keep callers' Idempotency-Keys apart: the user, the token's hash, or the address."""
    authorizer = (event.get("requestContext") or {}).get("authorizer") or {}
    if sub := ((authorizer.get("jwt") or {}).get("claims") or {}).get("sub"):
        return f"user {sub}"
    if token := session_token(event):
        return f"token {identifiers.token_hash(token)}"
    return f"address {client_network(event)}"
