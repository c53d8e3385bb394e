"""Who calls: the bearer of a job token (image jobs), a signed-in user (the sessions), or an address (limits)."""

import hmac
import ipaddress
from dataclasses import dataclass
from typing import Any

from inlet import identifiers
from inlet.errors import Unauthorized
from inlet.settings import settings

type Event = dict[str, Any]

IPV6_PREFIXES = (64, 56, 48)
JOB_TOKEN_HEADER = "x-session-token"  # noqa: S105 - a header's name
# What CloudFront adds to a request (template.yaml, Edge): its proof, and the address that it saw.
EDGE_HEADER = "x-inlet-edge"
CLIENT_HEADER = "x-inlet-client"


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
    if user := signed_in_user(event):
        return user
    if settings.auth_bypass:
        return User(sub=settings.dev_user_sub)
    raise Unauthorized


def client_networks(event: Event) -> list[str]:
    """Return the networks a client belongs to, the smallest first.

    For IPv4 that is the address. For IPv6 it is the /64, one subscriber's link, then the /56 and the /48, which a
    provider gives to one customer.
    """
    address = ipaddress.ip_address(_client_address(event))
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return [str(address.ipv4_mapped)]
        return [str(ipaddress.ip_network((address, length), strict=False)) for length in IPV6_PREFIXES]
    return [str(address)]


def _client_address(event: Event) -> str:
    """Return the address that API Gateway saw, or that of the trusted edge in front of it; no other header counts."""
    headers: dict[str, str] = event.get("headers") or {}
    secret, said = settings.edge_secret, headers.get(EDGE_HEADER, "")
    if secret and CLIENT_HEADER in headers and hmac.compare_digest(said.encode(), secret.encode()):
        return headers[CLIENT_HEADER]
    address: str = event["requestContext"]["http"]["sourceIp"]
    return address


def signed_in_user(event: Event) -> User | None:
    """Return the user the gateway's JWT authorizer vouches for, or None."""
    claims = _claims(event)
    if sub := claims.get("sub"):
        return User(sub=sub, email=claims.get("email"), name=claims.get("name"))
    return None


def sender_hash(event: Event) -> str:
    """Return what stands for a client's network in a row, keyed so that the row does not tell the address."""
    network = client_networks(event)[0]
    return hmac.digest(settings.server_secret.encode(), f"inlet sender {network}".encode(), "sha256").hex()[:32]


def caller(event: Event) -> str:
    """Return one string per caller, which keeps callers' Idempotency-Keys apart: the user, the token's hash, or the
    network."""
    if user := signed_in_user(event):
        return f"user {user.sub}"
    if token := job_token(event):
        return f"token {identifiers.token_hash(token)}"
    return f"address {client_networks(event)[0]}"


def _claims(event: Event) -> dict[str, Any]:
    authorizer = (event.get("requestContext") or {}).get("authorizer") or {}
    claims: dict[str, Any] = (authorizer.get("jwt") or {}).get("claims") or {}
    return claims
