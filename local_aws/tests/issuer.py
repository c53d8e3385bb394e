"""An OpenID Connect issuer for tests of what asks for a signed-in user."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Issuer:
    """An OpenID Connect issuer, as far as an authorizer looks: discovery and keys."""

    audience = "echo"

    def __init__(self) -> None:
        self.keys = [public_jwk(KEY, "first")]
        self.fetched: list[str] = []
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.fetched.append(self.path)
                documents = {
                    "/.well-known/openid-configuration": {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"},
                    "/keys": {"keys": issuer.keys},
                    "/evil": {"keys": [public_jwk(OTHER_KEY, "evil")]},
                }
                body = json.dumps(documents.get(self.path, {})).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self, key: Any = KEY, *, kid: str | None = "first", algorithm: str = "RS256", **claims: Any) -> str:
        """A good token, but for what is said otherwise; a claim that is None is left out."""
        now = int(time.time())
        good = {"iss": self.url, "aud": self.audience, "sub": "user-1", "iat": now, "exp": now + 600}
        payload = {name: value for name, value in (good | claims).items() if value is not None}
        return jwt.encode(payload, key, algorithm, headers={"kid": kid} if kid else None)


def public_jwk(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    jwk: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return jwk | {"kid": kid, "use": "sig", "alg": "RS256"}
