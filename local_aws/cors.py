"""API Gateway's own CORS: it answers preflights itself and writes the headers of every answer to another origin."""

from typing import Any

from local_aws.api_event import HttpRequest, HttpResponse


class Cors:
    """The API's CorsConfiguration at work."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self._origins = {origin.rstrip("/") for origin in configuration.get("AllowOrigins", [])}
        self._methods = ",".join(configuration.get("AllowMethods", []))
        self._headers = ",".join(configuration.get("AllowHeaders", []))
        self._exposed = ",".join(configuration.get("ExposeHeaders", []))
        self._max_age = configuration.get("MaxAge")

    def answer_preflight(self, request: HttpRequest) -> HttpResponse | None:
        """Return the answer to a preflight; None when the request is not one."""
        if request.method != "OPTIONS" or request.header("access-control-request-method") is None:
            return None
        if not (headers := self._headers_for(request)):
            return HttpResponse(204)
        headers += [("access-control-allow-methods", self._methods), ("access-control-allow-headers", self._headers)]
        if self._max_age is not None:
            headers.append(("access-control-max-age", str(self._max_age)))
        return HttpResponse(204, headers=headers)

    def add(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Return the response with the configured headers in place of any the function wrote."""
        own = [(name, value) for name, value in response.headers if not name.startswith("access-control-")]
        headers = self._headers_for(request)
        if headers and self._exposed:
            headers.append(("access-control-expose-headers", self._exposed))
        return HttpResponse(response.status, response.body, own + headers)

    def _headers_for(self, request: HttpRequest) -> list[tuple[str, str]]:
        origin = request.header("origin")
        if origin is None or not {origin, "*"} & self._origins:
            return []
        return [("access-control-allow-origin", "*" if "*" in self._origins else origin), ("vary", "origin")]
