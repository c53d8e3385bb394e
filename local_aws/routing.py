"""Which route a request matches: API Gateway takes the most specific one."""

import re
from collections.abc import Iterable

from local_aws.template import Route


class RouteTable:
    """Routes in order of precedence: exact segments before variables, those before `{name+}`, `$default` last."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [(_pattern(route.path), route) for route in sorted(routes, key=_precedence)]

    def match(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the route and its path parameters, still percent-encoded."""
        for pattern, route in self._routes:
            if route.method in (method, "ANY") and (found := pattern.fullmatch(raw_path)):
                return route, found.groupdict()
        return None


def _precedence(route: Route) -> tuple[bool, bool, list[bool], bool]:
    segments = route.path.split("/")
    return (
        route.path == "$default",
        route.path.endswith("+}"),
        [segment.startswith("{") for segment in segments],
        route.method == "ANY",
    )


def _pattern(path: str) -> re.Pattern[str]:
    if path == "$default":
        return re.compile(".*", re.DOTALL)
    pattern = re.escape(path)
    pattern = re.sub(r"\\\{(\w+)\\\+\\\}", r"(?P<\1>.+)", pattern)
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", pattern))
