"""Who may call the local API. A browser stands on the same machine, and shows any page of the web.

A page whose own name was made to point here (DNS rebinding) would be of the API's origin, and read all of it: a request
has to name this machine. A page of another origin cannot read, but a form or a `fetch` of its may write without asking
first: that only matters where no token is asked for.
"""

from collections.abc import Iterable

from local_aws.api_event import HttpRequest
from local_aws.ports import HOST

NAMES = (HOST, "localhost", "[::1]")
HTTP_PORT = 80  # browsers leave it out
READING = ("GET", "HEAD", "OPTIONS")


class Callers:
    """Tells which requests come from where none should.

    allowed_hosts    further names of the API, with or without a port
    allowed_origins  origins of other pages that may call it
    own_pages_only   whether pages of any further origin may not write: who needs no token must be told apart so
    """

    def __init__(
        self, port: int, allowed_hosts: Iterable[str], allowed_origins: Iterable[str], *, own_pages_only: bool
    ) -> None:
        here = {f"{name}:{port}" for name in NAMES} | ({*NAMES} if port == HTTP_PORT else set())
        self._hosts = here | {host.lower() for host in allowed_hosts}
        self._origins = {origin.rstrip("/") for origin in allowed_origins}
        self._own_pages_only = own_pages_only

    def refusal(self, request: HttpRequest) -> tuple[int, str] | None:
        """Return the status and the words that refuse a request; None where it may pass."""
        host = (request.header("host") or "").lower()
        if not {host, host.rpartition(":")[0]} & self._hosts:
            return 421, "Misdirected Request"
        if self._own_pages_only and request.method not in READING and self._is_foreign(request, host):
            return 403, "Forbidden"
        return None

    def _is_foreign(self, request: HttpRequest, host: str) -> bool:
        if (origin := request.header("origin")) is None:
            return request.header("sec-fetch-site") == "cross-site"
        return origin not in {f"http://{host}", f"https://{host}"} and not {origin, "*"} & self._origins
