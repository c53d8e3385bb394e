"""The local API Gateway: events as AWS makes them, answers as AWS reads them, its limits and its errors."""

import base64
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from local_aws.children import PartFailed
from local_aws.gateway import BODY_LIMIT, Gateway
from local_aws.tests.echo_bundle import Echo, wait_for_calls


def event_of(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    event: dict[str, Any] = response.json()["event"]
    return event


def raw_request(echo: Echo, request: bytes) -> bytes:
    """Bytes as they are: httpx would tidy up what these tests are about."""
    address = urlsplit(echo.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(request)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


def raw_event(echo: Echo, *lines: str) -> dict[str, Any]:
    answer = raw_request(echo, "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
    event: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])["event"]
    return event


def says(http_echo: httpx.Client, answer: Any) -> httpx.Response:
    """The response the gateway makes of a function's answer."""
    return http_echo.get("/echo", params={"do": "answer", "value": json.dumps(answer)})


# Events


def test_an_event_has_the_fields_of_payload_format_2(http_echo: httpx.Client) -> None:
    event = event_of(http_echo.post("/echo?a=1", json={"x": 1}, headers={"User-Agent": "test/1"}))
    context = event["requestContext"]
    assert event["version"] == "2.0"
    assert event["routeKey"] == context["routeKey"] == "ANY /echo"
    assert event["rawPath"] == "/echo"
    assert event["rawQueryString"] == "a=1"
    assert event["body"] == '{"x":1}'
    assert event["isBase64Encoded"] is False
    assert context["accountId"] == "123456789012"
    assert context["stage"] == "$default"
    assert context["domainName"] == "127.0.0.1"
    assert context["http"] == {
        "method": "POST",
        "path": "/echo",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "test/1",
    }
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["time"])
    assert isinstance(context["timeEpoch"], int)
    assert len(context["requestId"]) == 16
    assert "authorizer" not in context


def test_the_stage_s_variables_are_in_every_event(http_echo: httpx.Client) -> None:
    assert http_echo.get("/echo").json()["event"]["stageVariables"] == {"release": "dev"}


def test_what_a_request_does_not_have_is_not_in_its_event(http_echo: httpx.Client) -> None:
    event = event_of(http_echo.get("/echo"))
    assert not {"body", "cookies", "pathParameters", "queryStringParameters"} & event.keys()
    assert event["rawQueryString"] == ""


def test_repeated_headers_and_parameters_are_joined_with_commas(echo: Echo) -> None:
    event = raw_event(echo, "GET /echo?a=1&b=&a=2%2C3&c+d=%C3%A9 HTTP/1.1", "Host: x", "X-Tag: one", "x-tag: two")
    assert event["headers"]["x-tag"] == "one,two"
    assert event["queryStringParameters"] == {"a": "1,2,3", "b": "", "c d": "é"}
    assert event["rawQueryString"] == "a=1&b=&a=2%2C3&c+d=%C3%A9"


def test_header_names_are_lower_case_and_hop_by_hop_ones_are_gone(echo: Echo) -> None:
    event = raw_event(echo, "GET /echo HTTP/1.1", "Host: api.example.com:8000", "X-Session-Token: AbC", "TE: trailers")
    assert event["headers"]["x-session-token"] == "AbC"
    assert event["headers"]["host"] == "api.example.com:8000"
    assert event["requestContext"]["domainName"] == "api.example.com"
    assert event["requestContext"]["domainPrefix"] == "api"
    assert not {"connection", "te"} & event["headers"].keys()


def test_cookies_are_a_list_of_their_own(echo: Echo) -> None:
    event = raw_event(echo, "GET /echo HTTP/1.1", "Host: x", "Cookie: a=1; b=2", "Cookie: c=3")
    assert event["cookies"] == ["a=1", "b=2", "c=3"]
    assert "cookie" not in event["headers"]


def test_the_path_comes_decoded(http_echo: httpx.Client) -> None:
    event = event_of(http_echo.get("/items/%C3%A4%20b%2Bc"))
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == "/items/ä b+c"
    assert event["pathParameters"] == {"id": "ä b+c"}
    assert event["routeKey"] == "GET /items/{id}"


def test_the_path_ends_at_a_decoded_question_mark(http_echo: httpx.Client) -> None:
    event = event_of(http_echo.get("/items/a%3Fadmin=1?x=1"))
    assert event["rawPath"] == "/items/a"
    assert event["queryStringParameters"] == {"x": "1"}


def test_the_client_cannot_choose_its_address(http_echo: httpx.Client) -> None:
    forged = {"X-Forwarded-For": "1.2.3.4", "Forwarded": "for=1.2.3.4", "X-Real-IP": "1.2.3.4"}
    event = event_of(http_echo.get("/echo", headers=forged))
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
    assert event["headers"]["x-forwarded-for"] == "1.2.3.4, 127.0.0.1"


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "text/csv", "Text/Plain", "application/xml",
     "application/javascript"],
)  # fmt: skip
def test_text_comes_as_text(http_echo: httpx.Client, content_type: str) -> None:
    event = event_of(http_echo.post("/echo", content="é".encode(), headers={"content-type": content_type}))
    assert (event["body"], event["isBase64Encoded"]) == ("é", False)


@pytest.mark.parametrize(
    "content_type",
    ["image/jpeg", "multipart/form-data; boundary=x", "application/octet-stream", "application/x-www-form-urlencoded",
     "application/problem+json", None],
)  # fmt: skip
def test_everything_else_comes_base64_encoded(http_echo: httpx.Client, content_type: str | None) -> None:
    content = bytes(range(256))
    headers = {"content-type": content_type} if content_type else {}
    event = event_of(http_echo.post("/echo", content=content, headers=headers))
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == content


# Routes


@pytest.mark.parametrize(
    ("method", "path", "route", "parameters"),
    [
        ("GET", "/items/special", "GET /items/special", None),
        ("GET", "/items/other", "GET /items/{id}", {"id": "other"}),
        ("GET", "/items/1/parts/2", "GET /items/{id}/parts/{part}", {"id": "1", "part": "2"}),
        ("GET", "/items/1/2/3", "GET /items/{proxy+}", {"proxy": "1/2/3"}),
        ("PATCH", "/echo", "ANY /echo", None),
    ],
)
def test_the_most_specific_route_wins(
    http_echo: httpx.Client, method: str, path: str, route: str, parameters: dict[str, str] | None
) -> None:
    event = event_of(http_echo.request(method, path))
    assert event["routeKey"] == route
    assert event.get("pathParameters") == parameters


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/items/1"), ("GET", "/echo/"), ("GET", "/Echo")])
def test_no_route_is_404(http_echo: httpx.Client, method: str, path: str) -> None:
    response = http_echo.request(method, path)
    assert (response.status_code, response.json()) == (404, {"message": "Not Found"})


# Answers


def test_a_full_answer_becomes_the_response(http_echo: httpx.Client) -> None:
    response = says(
        http_echo,
        {
            "statusCode": 201,
            "headers": {"Content-Type": "text/html", "ETag": '"abc"', "x-count": 3, "content-length": "9999"},
            "cookies": ["a=1; Secure", "b=2"],
            "body": "<p>é",
            "isBase64Encoded": False,
        },
    )
    assert response.status_code == 201
    assert response.content == "<p>é".encode()
    assert response.headers["content-type"] == "text/html"
    assert response.headers["etag"] == '"abc"'
    assert response.headers["x-count"] == "3"
    assert response.headers.get_list("set-cookie") == ["a=1; Secure", "b=2"]


def test_a_base64_answer_is_decoded(http_echo: httpx.Client) -> None:
    content = bytes(range(256))
    answer = {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(content).decode()}
    assert says(http_echo, answer).content == content


@pytest.mark.parametrize("answer", [{"hello": "world"}, [1, 2], "text", None, 7])
def test_an_answer_without_a_status_is_json_with_200(http_echo: httpx.Client, answer: Any) -> None:
    response = says(http_echo, answer)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.text == (answer if isinstance(answer, str) else json.dumps(answer))


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body_have_none(http_echo: httpx.Client, status: int) -> None:
    response = says(http_echo, {"statusCode": status, "body": "ignored", "headers": {"etag": '"x"'}})
    assert (response.status_code, response.content, response.headers["etag"]) == (status, b"", '"x"')


def test_an_answer_to_head_has_headers_only(http_echo: httpx.Client) -> None:
    response = http_echo.head("/echo", params={"do": "answer", "value": '{"statusCode": 200, "body": "12345"}'})
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "soon"},
        {"statusCode": 42},
        {"statusCode": 200, "body": {"not": "a string"}},
        {"statusCode": 200, "body": "***", "isBase64Encoded": True},
        {"statusCode": 200, "headers": ["a", "b"]},
    ],
)
def test_a_malformed_answer_is_500(http_echo: httpx.Client, answer: Any) -> None:
    response = says(http_echo, answer)
    assert (response.status_code, response.json()) == (500, {"message": "Internal Server Error"})


# Failures


@pytest.mark.parametrize("do", ["fail", "exit", "crash", "unserialisable"])
def test_a_functions_failure_tells_the_client_nothing(http_echo: httpx.Client, do: str) -> None:
    response = http_echo.get("/echo", params={"do": do})
    assert (response.status_code, response.json()) == (500, {"message": "Internal Server Error"})


def test_a_function_that_cannot_be_loaded_is_500(http_echo: httpx.Client) -> None:
    assert http_echo.get("/broken").status_code == 500


def test_a_functions_own_time_out_is_500(http_echo: httpx.Client) -> None:
    response = http_echo.get("/hasty", params={"do": "sleep", "seconds": "5"})
    assert (response.status_code, response.json()) == (500, {"message": "Internal Server Error"})
    assert response.elapsed.total_seconds() < 3


def test_the_gateways_own_time_out_is_503(serve_echo: Callable[..., Echo]) -> None:
    with serve_echo(integration_seconds=0.3).client() as client:
        response = client.get("/echo", params={"do": "sleep", "seconds": "1"})
    assert (response.status_code, response.json()) == (503, {"message": "Service Unavailable"})
    assert response.elapsed.total_seconds() < 0.9


def test_an_answer_larger_than_lambdas_limit_is_500(http_echo: httpx.Client) -> None:
    assert http_echo.get("/echo", params={"do": "bytes", "size": "6300000"}).status_code == 500


# Limits


@pytest.mark.parametrize("size", [BODY_LIMIT + 1, 4 * BODY_LIMIT])
def test_a_body_over_10_mb_is_413(http_echo: httpx.Client, size: int) -> None:
    response = http_echo.post("/echo", content=bytes(size))
    assert (response.status_code, response.json()["message"]) == (413, "Request Entity Too Large")
    assert response.json()["code"] == "TOO_LARGE"


def test_a_body_of_undeclared_size_is_counted_while_it_comes(http_echo: httpx.Client) -> None:
    chunks = (bytes(1024 * 1024) for _ in range(12))
    assert http_echo.post("/echo", content=chunks).status_code == 413


def test_a_client_that_asks_first_need_not_send_what_is_too_large(echo: Echo) -> None:
    answer = raw_request(
        echo,
        f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY_LIMIT + 1}\r\nExpect: 100-continue\r\n"
        "Connection: close\r\n\r\n".encode(),
    )
    assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(("size", "status"), [(4_400_000, 200), (4_900_000, 413)])
def test_base64_counts_against_lambdas_6_mb(http_echo: httpx.Client, size: int, status: int) -> None:
    # The echo's own answer would be as large as its event: it answers something short.
    response = http_echo.post("/echo?do=answer&value=1", content=bytes(size))
    assert response.status_code == status


# CORS


def test_a_preflight_is_answered_without_the_function(http_echo: httpx.Client) -> None:
    asked = {"origin": "https://app.example.com", "access-control-request-method": "POST"}
    response = http_echo.options("/echo", headers=asked)
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "https://app.example.com"
    assert response.headers["access-control-allow-methods"] == "GET,POST"
    assert response.headers["access-control-allow-headers"] == "content-type,x-session-token"
    assert response.headers["access-control-max-age"] == "600"


def test_another_origin_gets_no_permission(http_echo: httpx.Client) -> None:
    asked = {"origin": "https://evil.example.com", "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in http_echo.options("/echo", headers=asked).headers
    response = http_echo.get("/echo", headers={"origin": "https://evil.example.com"})
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


def test_the_api_writes_the_cors_headers_not_the_function(http_echo: httpx.Client) -> None:
    own = json.dumps({"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}})
    response = http_echo.get(
        "/echo", params={"do": "answer", "value": own}, headers={"origin": "https://app.example.com"}
    )
    assert response.headers["access-control-allow-origin"] == "https://app.example.com"
    assert response.headers["access-control-expose-headers"] == "etag"


# The server


def test_a_port_in_use_is_said_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PartFailed, match=f"API gateway: port {port} is in use"):
            Gateway(port)


def test_nobody_connects_before_the_start() -> None:
    gateway = Gateway(0)
    address = urlsplit(gateway.url)
    with pytest.raises(ConnectionRefusedError), socket.create_connection((address.hostname, address.port)):
        pass
    gateway.close()


def test_a_stopping_gateway_finishes_what_was_begun(serve_echo: Callable[..., Echo], tmp_path: Path) -> None:
    echo = serve_echo()
    journal = tmp_path / "journal"
    statuses: list[int] = []

    def ask() -> None:
        told = {"do": "sleep", "seconds": "0.5", "journal": str(journal)}
        with echo.client() as client:
            statuses.append(client.get("/echo", params=told).status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_for_calls(journal, 1)
    echo.stop()
    asking.join()
    assert statuses == [200]
    with pytest.raises(httpx.ConnectError):
        httpx.get(echo.url)


def test_an_answer_on_a_kept_connection_takes_no_longer_than_on_a_new_one(http_echo: httpx.Client) -> None:
    def seconds(connection: str) -> float:
        begun = time.perf_counter()
        assert http_echo.get("/nothing", headers={"Connection": connection}).status_code == 404
        return time.perf_counter() - begun

    on_a_new_one = median(seconds("close") for _ in range(15))
    assert median(seconds("keep-alive") for _ in range(15)) < 4 * on_a_new_one


# Whose requests are taken


def status_of(echo: Echo, request_line: str, *headers: str) -> int:
    lines = [request_line, *headers, "Connection: close", "", ""]
    return int(raw_request(echo, "\r\n".join(lines).encode()).split()[1])


def test_only_names_of_this_machine_are_answered(echo: Echo) -> None:
    port = echo.gateway.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}", "x", "x:1"):
        assert status_of(echo, "GET /echo HTTP/1.1", f"Host: {host}") == 200, host
    rebound = (f"evil.example:{port}", "localhost", f"localhost:{port + 1}", f"localhost.evil.example:{port}", "")
    for host in rebound:
        assert status_of(echo, "GET /echo HTTP/1.1", f"Host: {host}") == 421, host
    assert status_of(echo, "GET /echo HTTP/1.0") == 421


def test_a_rebound_name_is_refused_in_words_before_cors_and_routes(echo: Echo, http_echo: httpx.Client) -> None:
    rebound = {"Host": f"evil.example:{echo.gateway.port}", "Origin": f"http://evil.example:{echo.gateway.port}"}
    answer = http_echo.get("/echo", headers=rebound)
    assert (answer.status_code, answer.json()) == (421, {"message": "Misdirected Request"})
    asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
    preflight = http_echo.options("/echo", headers=asked | {"Host": "evil.example"})
    assert preflight.status_code == 421
    assert "access-control-allow-origin" not in preflight.headers


EVIL = "https://evil.example"


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"Origin": EVIL}, 403),
        ("POST", {"Origin": "null"}, 403),
        ("DELETE", {"Origin": EVIL}, 403),
        ("POST", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("POST", {"Origin": "http://localhost:9", "Sec-Fetch-Site": "same-site"}, 403),
        ("GET", {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}, 200),  # unreadable, and changes nothing
        ("POST", {}, 200),  # curl
        ("POST", {"Origin": "OWN", "Sec-Fetch-Site": "same-origin"}, 200),
        ("POST", {"Origin": "https://app.example.com", "Sec-Fetch-Site": "cross-site"}, 200),  # the API's CORS lets it
    ],
)
def test_without_tokens_only_own_and_allowed_pages_write(
    serve_echo: Callable[..., Echo], method: str, headers: dict[str, str], status: int
) -> None:
    open_to_all = serve_echo(auth_bypass=True)
    sent = {name: open_to_all.url if value == "OWN" else value for name, value in headers.items()}
    with open_to_all.client() as http:
        answer = http.request(method, "/echo", headers=sent)
    assert answer.status_code == status
    assert status == 200 or answer.json() == {"message": "Forbidden"}


def test_where_a_token_is_asked_for_any_page_may_try(http_echo: httpx.Client) -> None:
    assert http_echo.post("/echo", headers={"Origin": EVIL}).status_code == 200
