"""The door of the workflow engine and of Invoke. Neither checks a signature, so nobody may come to them by chance.

Who was told the endpoint's address may use it: its path is a secret of this start, which functions have in their
environment. A browser is never let in, nor is a request that was sent to another name (DNS rebinding).
"""

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local_aws.container_bridge import HOST_FROM_CONTAINER
from local_aws.ports import HOST

# Only browsers send these, and no page can leave them out.
OF_BROWSERS = ("HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE", "HTTP_SEC_FETCH_MODE")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class EngineDoor:
    """A WSGI application before others: the engine at `/`, and those at paths that match a pattern."""

    def __init__(self, engine: Application, others: Mapping[re.Pattern[str], Application]) -> None:
        self._engine = engine
        self._others = others
        self.path = f"/{secrets.token_urlsafe(32)}"

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Let a request pass to an address there is, or refuse it."""
        if not self._may_enter(environ):
            return _refuse(start_response, "403 Forbidden")
        path = environ["PATH_INFO"].removeprefix(self.path) or "/"
        for pattern, application in self._others.items():
            if pattern.fullmatch(path):
                return application(environ | {"PATH_INFO": path}, start_response)
        if path != "/":
            return _refuse(start_response, "404 Not Found")  # moto's own pages among them
        return self._engine(environ | {"PATH_INFO": "/", "RAW_URI": "/", "REQUEST_URI": "/"}, start_response)

    def _may_enter(self, environ: Environ) -> bool:
        if any(name in environ for name in OF_BROWSERS):
            return False
        if environ.get("HTTP_HOST") not in {f"{name}:{environ['SERVER_PORT']}" for name in (HOST, HOST_FROM_CONTAINER)}:
            return False
        named = environ["PATH_INFO"][: len(self.path)]
        return secrets.compare_digest(named.encode(), self.path.encode())


def _refuse(start_response: StartResponse, status: str) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "text/plain"), ("Connection", "close")])
    return [status.encode()]
