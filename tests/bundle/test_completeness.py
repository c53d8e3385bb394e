"""Every endpoint of the template has tests of its own, an event to invoke it with, and a request to try by hand."""

import re
from collections.abc import Iterator

import pytest

from local.stack import PROJECT
from local_aws.template import Template

TEMPLATE = Template(PROJECT / "template.yaml")
ENDPOINTS = {route.function: TEMPLATE.functions[route.function].folder for route in TEMPLATE.routes}
# The site's routes are pages: a browser asks for them by itself.
OF_THE_API = sorted(ENDPOINTS.keys() - {"SiteFunction"})
ID = "id"


def requests() -> Iterator[tuple[str, str]]:
    """Yield the method and the path of every request in http/, with an id wherever an earlier answer would stand."""
    for file in sorted((PROJECT / "http").glob("*.http")):
        text = file.read_text()
        variables = dict(re.findall(r"^@(\w+) = (.*)$", text, re.MULTILINE)) | {"host": ""}
        for method, address in re.findall(r"^(GET|POST|PUT|DELETE|HEAD) (\S+)$", text, re.MULTILINE):
            path = address
            while placeholder := re.search(r"\{\{([\w.\[\]]+)\}\}", path):
                name = placeholder[1]
                earlier = f"/api/mocs/uploads/sessions/{ID}/companion/{ID}" if name.endswith(".companionPath") else ID
                path = path.replace(placeholder[0], variables.get(name, earlier))
            yield method, path.partition("?")[0]


@pytest.mark.parametrize("name", sorted(ENDPOINTS))
def test_an_endpoint_has_tests_of_its_own(name: str) -> None:
    folder = ENDPOINTS[name].relative_to(PROJECT / "functions")
    tests = PROJECT / "tests" / "endpoints" / folder.parent / f"test_{folder.name}.py"
    assert tests.is_file(), f"{tests.relative_to(PROJECT)} is missing"
    assert re.search(r"^def test_", tests.read_text(), re.MULTILINE), f"{tests.relative_to(PROJECT)} tests nothing"


@pytest.mark.parametrize("name", sorted(ENDPOINTS))
def test_an_endpoint_has_an_event(name: str) -> None:
    assert (PROJECT / "events" / f"{name}.json").is_file()


@pytest.mark.parametrize("name", OF_THE_API)
def test_an_endpoint_has_a_request_in_http(name: str) -> None:
    routes = [
        (route.method, re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(route.path)))
        for route in TEMPLATE.routes
        if route.function == name
    ]
    assert any(
        method == asked and re.fullmatch(pattern, path) for asked, path in requests() for method, pattern in routes
    ), f"no request of http/ reaches {name}"
