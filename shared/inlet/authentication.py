"""Who calls: the bearer of a job token (image jobs), a signed-in user (the sessions), or an address (limits)."""

import ipaddress
from dataclasses import dataclass
from typing import Any

from inlet import identifiers
from inlet.errors import Unauthorized
from inlet.settings import settings

type Event = dict[str, Any]

JOB_TOKEN_HEADER = "x-session-token"  # noqa: S105 - a header's name


@dataclass(frozen=True, slots=True)
class User:
    """A signed-in user. `sub` identifies; e-mail and name are what the identity provider tells."""

    sub: str
    email: str | None = None
    name: str | None = None


def job_token(event: Event) -> str | None:
    """Return the job token the caller presents, or None. API Gateway lower-cases header names."""
    return (event.get("headers") or {}).get(JOB_TOKEN_HEADER) or None


def require_job_token(event: Event) -> str:
    """Return the job token. Raise `Unauthorized` where there is none, before anything is read."""
    if token := job_token(event):
        return token
    raise Unauthorized("The X-Session-Token header is missing.")


def check_job_token(token: str, stored_hash: str) -> None:
    """Raise `Unauthorized` unless the token has the stored hash (compared in constant time)."""
    if not identifiers.token_matches(token, stored_hash):
        raise Unauthorized("The X-Session-Token does not belong to this upload.")


def current_user(event: Event) -> User:
    """Return the user the gateway's JWT authorizer vouches for; under `AUTH_BYPASS` the user `DEV_USER_SUB`.

    Raises `Unauthorized` where there is neither.
    """
    claims = _claims(event)
    if sub := claims.get("sub"):
        return User(sub=sub, email=claims.get("email"), name=claims.get("name"))
    if settings.auth_bypass:
        return User(sub=settings.dev_user_sub)
    raise Unauthorized


def client_network(event: Event) -> str:
    """Return the client's network: an IPv4 address, or the /64 of an IPv6 address, which is one subscriber's.

    The address is the one API Gateway saw, never a header's.
    """
    address = ipaddress.ip_address(event["requestContext"]["http"]["sourceIp"])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False).network_address)
    return str(address)


def caller(event: Event) -> str:
    """Return one string per caller, which keeps callers' Idempotency-Keys apart: the user, the token's hash, or the
    network."""
    if sub := _claims(event).get("sub"):
        return f"user {sub}"
    if token := job_token(event):
        return f"token {identifiers.token_hash(token)}"
    return f"address {client_network(event)}"


def _claims(event: Event) -> dict[str, Any]:
    authorizer = (event.get("requestContext") or {}).get("authorizer") or {}
    claims: dict[str, Any] = (authorizer.get("jwt") or {}).get("claims") or {}
    return claims
