"""The edge, on a function of the test's own: bodies, errors, headers, and the last resort."""

import base64
import json
from typing import Any

import pytest
from pydantic import Field

from inlet import api, authentication, idempotency
from inlet.answers import Family
from inlet.errors import AlreadyProcessing, DatabaseUnavailable, LimitExceeded, NotUploaded, Unauthorized
from inlet.messages import Model
from inlet.settings import settings
from tests.support.invocations import CLIENT, Context, api_event

JSON = {"content-type": "application/json"}
EDGE_SECRET = "e" * 40


class Thing(Model):
    display_name: str = Field(max_length=10)
    size: int = Field(default=1, ge=1)


FAILURES: dict[str, Exception] = {
    "busy": AlreadyProcessing(status="completed"),
    "early": NotUploaded(),
    "limited": LimitExceeded(retry_after_seconds=17, next_allowed_at="2026-01-01T00:00:00.000Z"),
    "down": DatabaseUnavailable("host db.internal refused"),
    "bug": KeyError("internal detail"),
}


def function(family: Family = Family.IMAGE_JOBS, *, max_form_bytes: int = 0) -> api.Resolver:
    app = api.Resolver(family, max_form_bytes=max_form_bytes)

    @app.post("/things")
    def make(thing: Thing) -> Thing:
        return thing

    @app.post("/empty")
    def empty() -> dict[str, Any]:
        return {}

    @app.get("/fails/<kind>")
    def fail(kind: str) -> dict[str, Any]:
        raise FAILURES[kind]

    return app


def call(event: dict[str, Any], app: api.Resolver | None = None) -> tuple[int, Any, dict[str, str]]:
    answer = (app or function()).lambda_handler(event, Context())
    return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


def test_a_reply_is_camel_case_without_what_nobody_asked_for() -> None:
    status, body, headers = call(api_event("POST", "/things", json_body={"displayName": "é", "admin": True}))
    assert (status, body) == (200, {"displayName": "é", "size": 1})
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["strict-transport-security"].startswith("max-age=")
    assert all(name == name.lower() for name in headers)


def test_a_base64_body_is_the_same_body() -> None:
    body = base64.b64encode(json.dumps({"displayName": "é"}).encode()).decode()
    event = api_event("POST", "/things", headers=JSON) | {"body": body, "isBase64Encoded": True}
    assert call(event)[:2] == (200, {"displayName": "é", "size": 1})


@pytest.mark.parametrize("base64_encoded", [False, True])
def test_the_body_limit_counts_bytes_not_characters(base64_encoded: bool) -> None:
    def post(body: bytes) -> tuple[int, Any, dict[str, str]]:
        event = api_event("POST", "/things", body=body, headers=JSON)
        if base64_encoded:
            event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
        return call(event)

    fits = b'{"displayName":"' + "é".encode() * 131_063 + b'"}'
    assert len(fits) == 256 * 1024
    assert post(fits)[0] == 422
    status, body, _ = post(fits + b" ")
    assert (status, body["error"]["code"]) == (413, "BAD_REQUEST")


@pytest.mark.parametrize("content_type", ["APPLICATION/JSON", " Application/Json ; charset=UTF-8"])
def test_json_may_be_written_in_capitals(content_type: str) -> None:
    body = b'{"displayName":"a"}'
    assert call(api_event("POST", "/things", body=body, headers={"content-type": content_type}))[0] == 200


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "Multipart/Form-Data"]
)
def test_a_form_does_not_pass_for_json(content_type: str) -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="displayName"\r\n\r\na\x00b\r\n--x--\r\n'
    status, body, _ = call(api_event("POST", "/things", body=form, headers={"content-type": content_type}))
    assert (status, body["error"]["code"]) == (415, "BAD_REQUEST")
    assert call(api_event("POST", "/empty", headers={"content-type": content_type}))[0] == 200  # as curl sends no body


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "text/json"])
def test_a_body_of_no_or_another_type_is_refused(content_type: str | None) -> None:
    """A page of another origin may send such a body without asking: no preflight stands before it."""
    headers = {} if content_type is None else {"content-type": content_type}
    event = api_event("POST", "/things", json_body={"displayName": "a"})
    event["headers"] = {name: value for name, value in event["headers"].items() if name != "content-type"} | headers
    status, body, _ = call(event)
    assert (status, body["error"]["code"]) == (415, "BAD_REQUEST")


def test_an_endpoint_that_takes_forms_has_a_limit_for_them() -> None:
    app, headers = function(max_form_bytes=300_000), {"content-type": "multipart/form-data; boundary=x"}
    assert call(api_event("POST", "/empty", body=bytes(300_000), headers=headers), app)[0] == 200
    assert call(api_event("POST", "/empty", body=bytes(300_001), headers=headers), app)[0] == 413
    assert call(api_event("POST", "/empty", body=bytes(262_145), headers={"content-type": "text/plain"}), app)[0] == 413


def test_422_names_the_fields() -> None:
    status, body, _ = call(api_event("POST", "/things", json_body={"displayName": "much too long", "size": 0}))
    assert status == 422
    assert body["error"] == {"code": "VALIDATION_ERROR", "message": "Some fields are missing or wrong."}
    assert {field["field"] for field in body["fields"]} == {"displayName", "size"}
    assert call(api_event("POST", "/things"))[1]["fields"] == [{"field": "body", "message": "Field required"}]


def test_broken_utf8_is_400() -> None:
    event = api_event("POST", "/things", headers=JSON)
    broken = base64.b64encode(b'{"displayName":"\xff"}').decode()
    status, body, _ = call(event | {"body": broken, "isBase64Encoded": True})
    assert (status, body["error"]["message"]) == (400, "The request body is not UTF-8.")


def test_details_and_retry_after_of_a_refusal() -> None:
    status, body, _ = call(api_event("GET", "/fails/busy"))
    assert (status, body["status"]) == (409, "completed")
    assert call(api_event("GET", "/fails/early"))[2]["retry-after"] == "1"
    status, body, headers = call(api_event("GET", "/fails/limited"))
    assert (status, headers["retry-after"], body["nextAllowedAt"]) == (429, "17", "2026-01-01T00:00:00.000Z")


@pytest.mark.parametrize(("kind", "status", "code"), [("bug", 500, "INTERNAL_ERROR"), ("down", 503, "UNAVAILABLE")])
@pytest.mark.parametrize("family", Family)
def test_a_failure_of_ours_tells_nothing_but_the_request_id(family: Family, kind: str, status: int, code: str) -> None:
    context = Context()
    answer = function(family).lambda_handler(api_event("GET", f"/fails/{kind}"), context)
    body = json.loads(answer["body"])
    assert answer["statusCode"] == status
    assert answer["headers"].get("retry-after") == ("2" if status == 503 else None)
    assert body["requestId"] == context.aws_request_id
    assert (body["error"]["code"] if family is Family.IMAGE_JOBS else body["code"]) == code
    assert "internal" not in answer["body"].replace("INTERNAL_ERROR", "")


def test_the_last_resort_holds_outside_the_resolver_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(event: Any, compute: Any) -> Any:
        raise RuntimeError("internal detail")

    monkeypatch.setattr(idempotency, "replayed", broken)
    status, body, headers = call(api_event("POST", "/empty"))
    assert (status, body["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert "detail" not in json.dumps(body)
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.usefixtures("inlet_settings")
def test_a_guard_is_asked_with_the_paths_parameters_before_a_key_is_claimed() -> None:
    app, asked = api.Resolver(Family.IMAGE_JOBS), []

    def guard(_event: api.Event, thing_id: str) -> None:
        asked.append(thing_id)
        raise Unauthorized

    @app.post("/things/<thing_id>/make", guard=guard)
    def make(thing_id: str) -> dict[str, Any]:
        raise AssertionError("not reached")

    key = {"idempotency-key": "a-key-of-22-characters-"}
    assert call(api_event("POST", "/things/one/make", headers=key), app)[0] == 401
    assert asked == ["one"]


def test_an_unknown_path_is_404_in_the_envelope() -> None:
    assert call(api_event("GET", "/nowhere"))[:2] == (
        404,
        {"success": False, "error": {"code": "NOT_FOUND", "message": "Not found."}},
    )


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
    ],
)
def test_a_client_is_its_true_address(address: str, network: str) -> None:
    event = api_event("POST", "/api/upload", client=address, headers={"x-forwarded-for": "198.51.100.1"})
    assert authentication.client_networks(event)[0] == network


@pytest.mark.parametrize(
    ("secret", "headers", "network"),
    [
        (EDGE_SECRET, {"x-inlet-edge": EDGE_SECRET, "x-inlet-client": "198.51.100.1"}, "198.51.100.1"),
        (EDGE_SECRET, {"x-inlet-edge": EDGE_SECRET, "x-inlet-client": "2001:db8:1:2::9"}, "2001:db8:1:2::/64"),
        (EDGE_SECRET, {"x-inlet-edge": EDGE_SECRET}, CLIENT),
        (EDGE_SECRET, {"x-inlet-edge": "e" * 39, "x-inlet-client": "198.51.100.1"}, CLIENT),
        (EDGE_SECRET, {"x-inlet-edge": "é" * 40, "x-inlet-client": "198.51.100.1"}, CLIENT),
        (EDGE_SECRET, {"x-inlet-edge": f"forged,{EDGE_SECRET}", "x-inlet-client": "198.51.100.1"}, CLIENT),
        (EDGE_SECRET, {"x-inlet-client": "198.51.100.1"}, CLIENT),
        ("", {"x-inlet-edge": "", "x-inlet-client": "198.51.100.1"}, CLIENT),
        ("", {"x-inlet-edge": EDGE_SECRET, "x-inlet-client": "198.51.100.1"}, CLIENT),
    ],
)
def test_only_the_edge_may_say_who_calls(
    secret: str, headers: dict[str, str], network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_SECRET", secret)
    settings.reload()
    assert authentication.client_networks(api_event("POST", "/api/upload", headers=headers))[0] == network
    settings.reload()


def test_the_caller_is_the_user_the_token_or_the_address() -> None:
    def caller(**event: Any) -> str:
        return authentication.caller(api_event("POST", "/x", **event))

    token = {"X-Session-Token": "secret"}
    assert caller(headers=token, claims={"sub": "u"}) == "user u"
    assert caller(headers=token).startswith("token ")
    assert "secret" not in caller(headers=token)
    assert caller() == f"address {CLIENT}"


def test_the_user_is_the_claim_sub(monkeypatch: pytest.MonkeyPatch) -> None:
    claims = {"sub": "u", "email": "e@example.com", "name": "N"}
    assert authentication.current_user(api_event("GET", "/x", claims=claims)) == authentication.User(
        "u", "e@example.com", "N"
    )
    monkeypatch.setenv("STAGE", "local")
    monkeypatch.delenv("AUTH_BYPASS", raising=False)
    settings.reload()
    with pytest.raises(Unauthorized):
        authentication.current_user(api_event("GET", "/x"))
    settings.reload()
