"""What an issuer has granted: codes that work once, and refresh tokens that are replaced at each use."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

CODE_SECONDS = 300
GRACE_SECONDS = 60  # how long a replaced refresh token still works: its answer may have been lost


class Refused(Exception):
    """A token request that gets none; its text is OAuth's error code."""


@dataclass(frozen=True)
class Grant:
    """Who lets the client do what, at which resource."""

    who: str
    scope: str
    resource: str | None = None
    nonce: str | None = None


@dataclass
class _Code:
    grant: Grant
    redirect_uri: str
    challenge: str
    issued_at: float
    family: str | None = None


@dataclass
class _RefreshToken:
    grant: Grant
    family: str
    replaced_at: float | None = None


class Grants:
    """Codes and refresh tokens. All that came of one sign-in is a family, which ends as one."""

    def __init__(self) -> None:
        self._codes: dict[str, _Code] = {}
        self._refresh_tokens: dict[str, _RefreshToken] = {}

    def issue_code(self, grant: Grant, redirect_uri: str, challenge: str) -> str:
        """Return a code for whoever knows the verifier of `challenge` (PKCE, S256)."""
        code = random_text()
        self._codes[code] = _Code(grant, redirect_uri, challenge, time.monotonic())
        return code

    def redeem_code(self, given: Mapping[str, str]) -> tuple[Grant, str]:
        """Return what was granted and a refresh token. A code that comes twice was stolen: what came of it ends."""
        code = self._codes.get(given.get("code", ""))
        if code is None or time.monotonic() - code.issued_at > CODE_SECONDS:
            raise Refused("invalid_grant")
        if code.family:
            self._end(code.family)
            raise Refused("invalid_grant")
        is_ours = hmac.compare_digest(_challenge(given.get("code_verifier", "")), code.challenge)
        if not is_ours or given.get("redirect_uri") != code.redirect_uri:
            raise Refused("invalid_grant")
        code.family = random_text()
        return code.grant, self._issue(code.grant, code.family)

    def renew(self, token: str) -> tuple[Grant, str]:
        """Return what was granted and the next refresh token. One used long after it was replaced ends its family."""
        known = self._refresh_tokens.get(token)
        if known is None:
            raise Refused("invalid_grant")
        if known.replaced_at is not None and time.monotonic() - known.replaced_at > GRACE_SECONDS:
            self._end(known.family)
            raise Refused("invalid_grant")
        known.replaced_at = known.replaced_at or time.monotonic()
        return known.grant, self._issue(known.grant, known.family)

    def revoke(self, token: str) -> None:
        """End the family of a refresh token."""
        if known := self._refresh_tokens.get(token):
            self._end(known.family)

    def revoke_all(self) -> None:
        """End everything: nobody is signed in any longer than an access token lives."""
        self._refresh_tokens.clear()

    def _issue(self, grant: Grant, family: str) -> str:
        token = random_text()
        self._refresh_tokens[token] = _RefreshToken(grant, family)
        return token

    def _end(self, family: str) -> None:
        self._refresh_tokens = {token: known for token, known in self._refresh_tokens.items() if known.family != family}


def random_text() -> str:
    """Return 32 random bytes as text."""
    return secrets.token_urlsafe(32)


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
