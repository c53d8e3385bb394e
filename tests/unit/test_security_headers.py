"""Every answer of the edge has the strict headers, whatever became of the request."""

from collections.abc import Callable
from typing import Any

import pytest

from inlet import api
from inlet.answers import Family
from inlet.errors import AlreadyProcessing, UploadNotFound
from inlet.messages import Model
from tests.support.image_jobs import SECURITY
from tests.support.invocations import Context, api_event


class Thing(Model):
    size: int


RAISED = {
    "missing": UploadNotFound(),
    "busy": AlreadyProcessing(status="completed"),
    "bug": KeyError("internal detail"),
}


@pytest.fixture(scope="module")
def answer() -> Callable[..., dict[str, Any]]:
    app = api.Resolver(Family.IMAGE_JOBS)

    @app.get("/things/<kind>")
    def read(kind: str) -> dict[str, Any]:
        if kind in RAISED:
            raise RAISED[kind]
        return {}

    @app.post("/things")
    def make(thing: Thing) -> Thing:
        return thing

    def ask(method: str, path: str, **request: Any) -> dict[str, Any]:
        return app.lambda_handler(api_event(method, path, **request), Context())

    return ask


@pytest.mark.parametrize(
    ("status", "method", "path", "request_"),
    [
        (200, "GET", "/things/one", {}),
        (400, "POST", "/things", {"body": b"{", "headers": {"content-type": "application/json"}}),
        (404, "GET", "/things/missing", {}),
        (404, "GET", "/elsewhere", {}),
        (409, "GET", "/things/busy", {}),
        (413, "POST", "/things", {"body": b"x" * 300_000, "headers": {"content-type": "application/json"}}),
        (415, "POST", "/things", {"body": b"size=1"}),
        (422, "POST", "/things", {"json_body": {}}),
        (500, "GET", "/things/bug", {}),
    ],
)
def test_every_answer_has_the_strict_headers(
    answer: Callable[..., dict[str, Any]], status: int, method: str, path: str, request_: dict[str, Any]
) -> None:
    given = answer(method, path, **request_)
    assert given["statusCode"] == status, given
    assert SECURITY.items() <= given["headers"].items()
    assert given["headers"]["content-type"] == "application/json"
