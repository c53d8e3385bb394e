"""Requests that are no clean JSON, or carry strange ids: refused at every endpoint of image jobs that reads them."""

import httpx
import pytest

from local.stack import LocalStack
from tests.support.image_jobs import EMAIL, assert_error


@pytest.mark.parametrize("path", ["/api/upload", "/api/process"])
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'a': 1}",
        b'{"uploadId": "x"} trailing',
        b"\xef\xbb\xbf{}",
        b'{"size": NaN}',
        b'{"size": -Infinity}',
        b'{"size": 1e999}',
        b'{"uploadId": "x", "uploadId": "y"}',
        b'{"a": {"b": 1, "\\u0062": 2}}',
        b'{"uploadId": "a\\u0000b"}',
        b'{"a\\u0000": 1}',
        b'{"uploadId": "\\ud800"}',
        b'{"uploadId": "\\udc00\\ud800"}',
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b"[" * 5000,
        b'"\x00"',
        b"9" * 5000,
    ],
)
def test_400(http: httpx.Client, path: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "X-Session-Token": "t"}
    answer = http.post(path, content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "BAD_REQUEST"
    untyped = http.post(path, content=body, headers={"X-Session-Token": "t"})
    assert untyped.status_code == 415, "a page of another origin may send this without asking"


@pytest.mark.parametrize("path", ["/api/upload", "/api/process", "/api/upload/x/confirm"])
def test_413(http: httpx.Client, path: str) -> None:
    body = b'{"a": "' + b"x" * 256 * 1024 + b'"}'
    answer = http.post(path, content=body, headers={"Content-Type": "application/json", "X-Session-Token": "t"})
    assert_error(answer, 413, "BAD_REQUEST", "The request body may have at most 262144 bytes.")


@pytest.mark.parametrize("path", ["/api/upload", "/api/process"])
@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x"])
def test_415(http: httpx.Client, path: str, content_type: str) -> None:
    headers = {"Content-Type": content_type, "X-Session-Token": "t"}
    form = b'--x\r\nContent-Disposition: form-data; name="uploadId"\r\n\r\na\x00b\r\n--x--\r\n'
    answer = http.post(path, content=form, headers=headers)
    assert_error(answer, 415, "BAD_REQUEST", "The request body must be JSON, sent as application/json.")


@pytest.mark.parametrize("body", [b"null", b"[]", b'"x"', b"5", b""])
def test_json_that_is_no_object_is_422(http: httpx.Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "X-Session-Token": "t"}
    assert http.post("/api/process", content=body, headers=headers).status_code == 422


def test_no_request_forges_a_header_or_a_log_line(http: httpx.Client, stack: LocalStack) -> None:
    forged = "x\r\nINFO forged=line\r\nSet-Cookie: forged=1"
    answers = [
        http.post("/api/process", json={"uploadId": forged}, headers={"X-Session-Token": "t"}),
        http.post("/api/upload", json={"email": f"a@example.com{forged}", "type": forged}),
        http.post("/api/upload", json={"email": EMAIL, "type": forged}),
        http.get(
            "/api/status/x%0D%0AINFO%20forged%3Dline%0D%0ASet-Cookie:%20forged=1", headers={"X-Session-Token": "t"}
        ),
        http.get("/api/results/%0D%0AINFO%20forged", headers={"X-Session-Token": "t"}),
        http.post("/api/upload/%0AINFO%20forged/confirm"),
    ]
    assert {answer.status_code for answer in answers} <= {404, 415, 422}
    assert not any("set-cookie" in answer.headers for answer in answers)
    assert "forged" not in stack.function_log.read_text()


@pytest.mark.parametrize("name", ["..%2F..%2Fetc", "%00", "%2e%2e", "'%20OR%201=1--", "%F0%9F%98%80", "a" * 3000])
def test_strange_ids_are_unknown_ids(http: httpx.Client, name: str) -> None:
    token = {"X-Session-Token": "t"}
    for answer in (
        http.get(f"/api/status/{name}", headers=token),
        http.get(f"/api/results/{name}", headers=token),
        http.post(f"/api/upload/{name}/confirm"),
    ):
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "NOT_FOUND"
