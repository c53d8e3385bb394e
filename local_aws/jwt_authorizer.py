"""API Gateway's JWT authorizer: whose tokens pass, and which claims a function is told.

Keys come from the issuer's own discovery document only; what a token says about keys (`jku`, `x5u`, `jwk`) is ignored.
"""

import json
import threading
import urllib.request
from typing import Any

import jwt

from local_aws.template import Authorizer

ALGORITHMS = ["RS256", "RS384", "RS512"]  # AWS: RSA only, so neither `none` nor a public key used as an HMAC secret
FETCH_SECONDS = 5


class Unauthorized(Exception):
    """No token, or one that does not pass."""


class InsufficientScope(Exception):
    """A good token that carries none of the required scopes, as an ID token does."""

    def __init__(self, required: list[str]) -> None:
        super().__init__(f"expected scopes: [{' '.join(required)}]")
        self.required = required


class JwtAuthorizer:
    """Verifies bearer tokens of one issuer. Fetches the issuer's keys once, and again for an unknown key id."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer
        self._keys: jwt.PyJWKClient | None = None
        self._lock = threading.Lock()

    @property
    def configured(self) -> bool:
        """Whether the template's parameters name an issuer at all."""
        return "://" in self._authorizer.issuer

    def verify(self, authorization: str | None) -> dict[str, Any]:
        """Return the claims of the token in an Authorization header; may wait for the issuer.

        Raises `Unauthorized`, or `InsufficientScope`.
        """
        if not authorization or not self.configured:
            raise Unauthorized
        scheme, _, credentials = authorization.partition(" ")
        token = credentials.strip() if scheme.lower() == "bearer" else authorization
        try:
            key = self._issuer_keys().get_signing_key_from_jwt(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                issuer=self._authorizer.issuer,
                options={"require": ["exp", "iss"], "verify_aud": False},
            )
        except (jwt.PyJWTError, OSError, ValueError) as error:
            raise Unauthorized from error
        if not self._is_for_us(claims):
            raise Unauthorized
        if not self._may(claims):
            raise InsufficientScope(self._authorizer.scopes)
        return claims

    def _may(self, claims: dict[str, Any]) -> bool:
        """Look for one of the required scopes in `scope`, or in `scp`, as some issuers call it."""
        carried = claims.get("scope", claims.get("scp", ""))
        scopes = carried.split() if isinstance(carried, str) else carried
        return not self._authorizer.scopes or any(scope in scopes for scope in self._authorizer.scopes)

    def _is_for_us(self, claims: dict[str, Any]) -> bool:
        """Look at `client_id` only where there is no `aud`, as AWS does (Cognito's access tokens have none)."""
        audience = claims["aud"] if "aud" in claims else claims.get("client_id")
        named = audience if isinstance(audience, list) else [audience]
        return any(name in self._authorizer.audience for name in named)

    def _issuer_keys(self) -> jwt.PyJWKClient:
        with self._lock:
            if self._keys is None:
                address = self._authorizer.issuer.rstrip("/") + "/.well-known/openid-configuration"
                with urllib.request.urlopen(address, timeout=FETCH_SECONDS) as answer:  # noqa: S310 - our own setting
                    # No pause before an unknown key is looked for: a developer's issuer changes keys at every start.
                    self._keys = jwt.PyJWKClient(
                        json.load(answer)["jwks_uri"], timeout=FETCH_SECONDS, cooldown_duration=0
                    )
            return self._keys
