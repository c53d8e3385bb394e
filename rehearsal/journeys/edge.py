"""Pages, strangers, tokens that are not good, and preflights: what the API itself decides."""

import httpx

from rehearsal.stack import Stack
from rehearsal.words import answered, require
from tests.support.issuer import OTHER_KEY

SIGNED_IN = (("GET", "/api/sessions"), ("POST", "/api/mocs/uploads/sessions"))


def travel(stack: Stack) -> str:
    """Knock at every kind of door."""
    bad = {
        "of another audience": stack.issuer.token(aud="another"),
        "of another issuer": stack.issuer.token(iss="https://another.example.com"),
        "by another key": stack.issuer.token(OTHER_KEY),
        "of yesterday": stack.issuer.token(exp=1),
    }
    with stack.client() as http:
        require("<html" in http.get("/").text, "the first page is no page")
        require(http.head("/").status_code == 200, "HEAD / does not answer 200")
        require(answered(http.get("/openapi.json"))["openapi"], "there is no API document")
        answered(http.get("/api/nowhere"), 404)
        answered(http.put("/api/upload"), 404)
        for method, path in SIGNED_IN:
            answered(http.request(method, path), 401)
            for token in bad.values():
                answered(http.request(method, path, headers={"Authorization": f"Bearer {token}"}), 401)
    return f"pages, 404, 401 without a token and with one {', '.join(bad)}"


def preflight(stack: Stack, origin: str) -> httpx.Response:
    """Ask as a browser does before a page of `origin` may POST."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "idempotency-key",
    }
    with stack.client() as http:
        return http.options("/api/upload", headers=asked)
