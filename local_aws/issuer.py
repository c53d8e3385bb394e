"""An OpenID Connect issuer for this machine, in place of a Cognito user pool: people are who they say they are.

It speaks what a browser's client needs: discovery, keys, the code flow with PKCE (S256 only), rotated refresh tokens
and sign-out. As Cognito's, an access token names its client in `client_id`, and has an `aud` where one was asked for
with `resource` (RFC 8707). Everything lives in memory.
"""

import time
from collections.abc import Iterable
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from local_aws.gateway import Gateway
from local_aws.issuer_grants import Grant, Grants, Refused, random_text
from local_aws.issuer_page import page
from local_aws.ports import HOST

COOKIE = "local-issuer"
LONGEST_NAME = 128  # characters
UNSIGNED = "The sign-in that was asked for here is not complete, or not for a page of this stack."


class Issuer:
    """Signs in whoever names themselves, for the one public client `client_id`, and for pages of the stack only.

    The name that is typed is the `sub`. Access tokens live for `access_seconds`.
    """

    def __init__(self, port: int, *, client_id: str, scopes: Iterable[str], access_seconds: float = 900) -> None:
        self.url = f"http://{HOST}:{port}"
        self.grants = Grants()
        self.access_seconds = access_seconds
        self._port = port
        self._client_id = client_id
        self._scopes = {"openid", "email", *scopes}
        self._pages: list[str] = []
        self._people: dict[str, str] = {}
        self._server: Gateway | None = None

    # Its life

    def start(self, pages: Iterable[str]) -> None:
        """Listen. `pages` are the origins that may ask, and to which people return."""
        self._pages = list(pages)
        self._server = Gateway(self._port, "Issuer")
        self._server.start(self._application())

    def check(self) -> None:
        """Raise `PartFailed` when the server has ended by itself."""
        if self._server is not None:
            self._server.check()

    def stop(self) -> None:
        """Stop listening. What it has issued is void."""
        if self._server is not None:
            self._server.stop()
            self._server.close()
            self._server = None

    def _application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/keys", self._keys),
                Route("/authorize", self._ask),
                Route("/authorize", self._answer, methods=["POST"]),
                Route("/token", self._token, methods=["POST"]),
                Route("/revoke", self._revoke, methods=["POST"]),
                Route("/logout", self._sign_out),
            ],
            middleware=[
                Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
                Middleware(CORSMiddleware, allow_origins=self._pages, allow_methods=["GET", "POST"]),
            ],
        )

    # What clients find

    async def _discovery(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "revocation_endpoint": f"{self.url}/revoke",
                "end_session_endpoint": f"{self.url}/logout",
                "jwks_uri": f"{self.url}/keys",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["none"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": sorted(self._scopes),
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def _keys(self, _: Request) -> Response:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return JSONResponse({"keys": [public | {"kid": self._key_id, "use": "sig", "alg": "RS256"}]})

    # The page that asks who somebody is

    async def _ask(self, request: Request) -> Response:
        asked = dict(request.query_params)
        if not self._is_for_our_pages(asked.get("redirect_uri")) or asked.get("client_id") != self._client_id:
            return HTMLResponse(page(UNSIGNED), 400)
        if error := self._mistake(asked):
            return self._back(asked, error=error)
        who = self._people.get(request.cookies.get(COOKIE, ""))
        if who and asked.get("prompt") != "login":
            return self._back(asked, code=self._code(asked, who))
        if asked.get("prompt") == "none":
            return self._back(asked, error="login_required")
        return HTMLResponse(page(asks=True), headers=self._page_headers)

    async def _answer(self, request: Request) -> Response:
        asked = dict(request.query_params)
        answered = await _form(request)
        is_our_page = request.headers.get("origin") == f"http://{request.headers['host']}"
        is_sound = self._is_for_our_pages(asked.get("redirect_uri")) and not self._mistake(asked)
        if not (is_our_page and is_sound and asked.get("client_id") == self._client_id):
            return HTMLResponse(page(UNSIGNED), 400)
        who = answered.get("who", "").strip()
        if "cancel" in answered:
            return self._back(asked, error="access_denied")
        if not 0 < len(who) <= LONGEST_NAME:
            return HTMLResponse(page(asks=True), 422, headers=self._page_headers)
        answer = self._back(asked, code=self._code(asked, who))
        known = random_text()
        self._people[known] = who
        answer.set_cookie(COOKIE, known, httponly=True, samesite="lax")
        return answer

    def _mistake(self, asked: dict[str, str]) -> str | None:
        if asked.get("response_type") != "code":
            return "unsupported_response_type"
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            return "invalid_request"
        scopes = asked.get("scope", "").split()
        return None if "openid" in scopes and self._scopes.issuperset(scopes) else "invalid_scope"

    def _code(self, asked: dict[str, str], who: str) -> str:
        grant = Grant(who, asked["scope"], asked.get("resource"), asked.get("nonce"))
        return self.grants.issue_code(grant, asked["redirect_uri"], asked["code_challenge"])

    def _back(self, asked: dict[str, str], **answer: str) -> Response:
        query = answer | {"iss": self.url} | {name: asked[name] for name in ("state",) if name in asked}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(query)}", 303)

    def _is_for_our_pages(self, address: str | None) -> bool:
        parts = urlsplit(address or "")
        return f"{parts.scheme}://{parts.netloc}" in self._pages

    @property
    def _page_headers(self) -> dict[str, str]:
        # A browser also holds the redirect that follows a form against `form-action`.
        targets = " ".join(self._pages)
        policy = f"default-src 'none'; style-src 'unsafe-inline'; form-action 'self' {targets}; frame-ancestors 'none'"
        return {"content-security-policy": policy, "cache-control": "no-store"}

    # Tokens

    async def _token(self, request: Request) -> Response:
        try:
            grant, refresh = self._granted(await _form(request))
        except Refused as refused:
            return JSONResponse({"error": str(refused)}, 400, headers={"cache-control": "no-store"})
        answer = {
            "access_token": self.access_token(grant),
            "id_token": self._id_token(grant),
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": int(self.access_seconds),
        }
        return JSONResponse(answer, headers={"cache-control": "no-store"})

    def _granted(self, given: dict[str, str]) -> tuple[Grant, str]:
        if given.get("client_id") != self._client_id:
            raise Refused("invalid_client")
        match given.get("grant_type"):
            case "authorization_code":
                return self.grants.redeem_code(given)
            case "refresh_token":
                return self.grants.renew(given.get("refresh_token", ""))
        raise Refused("unsupported_grant_type")

    async def _revoke(self, request: Request) -> Response:
        self.grants.revoke((await _form(request)).get("token", ""))
        return Response()

    async def _sign_out(self, request: Request) -> Response:
        self._people.pop(request.cookies.get(COOKIE, ""), None)
        target = request.query_params.get("post_logout_redirect_uri")
        answer: Response = HTMLResponse(page("You are signed out."))
        if target and self._is_for_our_pages(target):
            answer = RedirectResponse(target, 303)
        answer.delete_cookie(COOKIE)
        return answer

    def access_token(self, grant: Grant) -> str:
        """Return an access token such as the API wants to see."""
        claims = {"client_id": self._client_id, "scope": grant.scope, "token_use": "access", "jti": random_text()}
        return self._signed(grant, claims | ({"aud": grant.resource} if grant.resource else {}))

    def _id_token(self, grant: Grant) -> str:
        nonce = {"nonce": grant.nonce} if grant.nonce else {}
        return self._signed(grant, {"aud": self._client_id, "token_use": "id", "name": grant.who} | nonce)

    def _signed(self, grant: Grant, claims: dict[str, Any]) -> str:
        now = time.time()
        times = {"iat": int(now), "exp": int(now + self.access_seconds)}
        everything = {"iss": self.url, "sub": grant.who} | times | claims
        return jwt.encode(everything, self._key, "RS256", headers={"kid": self._key_id})

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        """Made when it is first wanted: that takes a tenth of a second, and most stacks sign nobody in."""
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def _key_id(self) -> str:
        return random_text()


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode(errors="replace")))
