"""The site function, over HTTP through the local gateway: pages, scripts, caching, headers, and nothing beside them."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from inlet import storage
from inlet.settings import settings
from local.stack import PROJECT, LocalStack
from tests.support.invocations import Context, api_event

PAGES = [
    *("/", "/processing/abc123", "/files", "/your-files", "/your-files/abc123", "/recorder"),
    *("/recordings", "/recordings/abc123", "/account", "/signed-in", "/docs"),
]
SECURITY = {
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(self)",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
}


def policy(answer: httpx.Response) -> dict[str, str]:
    """The Content-Security-Policy, directive by directive."""
    directives = answer.headers["content-security-policy"].split(";")
    return {name: value for name, _, value in (directive.strip().partition(" ") for directive in directives)}


def addresses(page: httpx.Response) -> list[str]:
    """What a page loads or links to."""
    return re.findall(r'(?:href|src)="([^"]+)"', page.text)


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_whole_documents_with_strict_headers(http: httpx.Client, stack: LocalStack, path: str) -> None:
    page = http.get(path)

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.startswith("<!doctype html>")
    assert page.text.count("<main ") == 1
    assert "<!-- " not in page.text, "the shell's marks must have been filled"
    assert {name: page.headers[name] for name in SECURITY} == SECURITY
    directives = policy(page)
    bucket = stack.environment["S3_ENDPOINT_URL"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == "'self'"
    assert directives["connect-src"] == f"'self' {bucket} {stack.url.replace('http', 'ws')}"
    assert directives["frame-ancestors"] == directives["base-uri"] == "'none'"
    assert "<script>" not in page.text
    assert "style=" not in page.text


@pytest.mark.parametrize("path", PAGES)
def test_pages_load_only_what_is_here(http: httpx.Client, path: str) -> None:
    page = http.get(path)

    for address in addresses(page):
        if address.startswith("#"):
            continue
        assert urlsplit(urljoin(str(page.url), address)).netloc == page.url.netloc.decode()
        assert http.get(address).status_code == 200, address


def test_a_page_marks_its_section(http: httpx.Client) -> None:
    assert '<a href="/recordings" aria-current="page">' in http.get("/recordings/abc123").text
    assert http.get("/recorder").text.count("aria-current") == 1


def test_scripts_are_kept_for_ever_under_their_release(http: httpx.Client) -> None:
    scripts = [address for address in addresses(http.get("/")) if address.startswith("/web/")]

    assert len(scripts) >= 5
    for script in scripts:
        assert http.get(script).headers["cache-control"] == "public, max-age=31536000, immutable"
    release = scripts[0].split("/")[2]
    name = scripts[-1].removeprefix(f"/web/{release}/")
    old, plain = http.get(f"/web/v000000000000/{name}"), http.get(f"/web/{name}")
    assert old.status_code == plain.status_code == 200
    assert old.headers["cache-control"] == plain.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/", "/web/client/index.js", "/openapi.json", "/docs/swagger-ui.min.css"])
def test_an_unchanged_file_is_not_sent_again(http: httpx.Client, path: str) -> None:
    first = http.get(path, headers={"accept-encoding": "identity"})
    again = http.get(path, headers={"accept-encoding": "identity", "if-none-match": f'"x", {first.headers["etag"]}'})
    changed = http.get(path, headers={"accept-encoding": "identity", "if-none-match": '"another"'})

    assert first.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (changed.status_code, changed.content) == (200, first.content)


def test_compressed_and_plain_are_told_apart(http: httpx.Client) -> None:
    plain = http.get("/", headers={"accept-encoding": "identity"})
    compressed = http.get("/", headers={"accept-encoding": "br, gzip"})

    assert "content-encoding" not in plain.headers
    assert compressed.headers["content-encoding"] == "gzip"
    assert int(compressed.headers["content-length"]) < len(plain.content) / 2
    assert compressed.text == plain.text
    assert compressed.headers["etag"] != plain.headers["etag"]
    assert compressed.headers["vary"] == plain.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize("path", ["/", "/files", "/openapi.json"])
def test_head_answers_as_get_without_a_body(http: httpx.Client, path: str) -> None:
    get, head = http.get(path), http.head(path)

    assert (head.status_code, head.content) == (200, b"")
    assert {name: head.headers[name] for name in ("etag", "content-type", "cache-control")} == {
        name: get.headers[name] for name in ("etag", "content-type", "cache-control")
    }


def test_the_api_document_is_the_file(http: httpx.Client) -> None:
    answer = http.get("/openapi.json")

    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == json.loads((PROJECT / "web" / "openapi.json").read_text())


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/quite-missing", "text/html; charset=utf-8"),
        ("/recordings/one/quite-missing", "text/html; charset=utf-8"),
        ("/web/app/quite-missing.js", "text/plain; charset=utf-8"),
        ("/docs/quite-missing.js", "text/html; charset=utf-8"),
        ("/api/quite-missing", "application/json"),
    ],
)
def test_what_is_not_here_is_a_404_its_asker_can_read(http: httpx.Client, path: str, content_type: str) -> None:
    answer = http.get(path)

    assert (answer.status_code, answer.headers["content-type"]) == (404, content_type)
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    assert path.rpartition("/")[2] not in answer.text, "nothing of the address is repeated"


@pytest.mark.parametrize(
    "path",
    [
        "/web/../pyproject.toml",
        "/web/app/../../pyproject.toml",
        "/web/%2e%2e/pyproject.toml",
        "/web/app/%2e%2e%2f%2e%2e%2fpyproject.toml",
        "/web/..%5cpyproject.toml",
        "/web//etc/passwd",
        "/web/%2fetc%2fpasswd",
        "/web/shell.html",
        "/web/python/inlet/settings.py",
        "/docs/..%2fhtml.py",
        "/docs/html.py",
    ],
)
def test_no_path_leads_out(stack: LocalStack, path: str) -> None:
    # httpx would tidy the path up before sending it.
    address = stack.url.removeprefix("http://")
    request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 404 "), answer[:200]


def test_starts_without_what_it_does_not_use() -> None:
    """boto3 and pydantic would double the time to the first byte."""
    program = "import sys, handler; print([name for name in ('boto3', 'pydantic', 'psycopg') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT / "functions" / "site",
        env={"PYTHONPATH": str(PROJECT / "shared"), "STAGE": "prod"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, str]], None]]:
    """Puts the bucket somewhere."""

    def put(environment: dict[str, str]) -> None:
        for name in ("S3_ENDPOINT_URL", "S3_REGION", "AWS_REGION"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings.reload()
        storage.client.cache_clear()

    yield put
    settings.reload()
    storage.client.cache_clear()


@pytest.mark.parametrize(
    "environment",
    [
        {"S3_ENDPOINT_URL": "https://abc.r2.cloudflarestorage.com", "S3_REGION": "auto"},
        {"S3_REGION": "us-east-1"},
        {"S3_REGION": "eu-west-1"},
        {"AWS_REGION": "ap-southeast-3"},
    ],
)
def test_the_policy_allows_what_is_signed(
    environment: dict[str, str],
    place: Callable[[dict[str, str]], None],
    load_handler: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "example")
    place(environment | {"STAGE": "prod", "BUCKET": "inlet-files"})
    url = urlsplit(storage.presign_get("uploads/x/original.jpg").url)

    policy = load_handler("site")._security_headers()["content-security-policy"]

    assert f"{url.scheme}://{url.netloc}" in policy.split("connect-src ")[1].split(";")[0].split()
    assert f"{url.scheme}://{url.netloc}" in policy.split("img-src ")[1].split(";")[0].split()
    if region := environment.get("S3_REGION", environment.get("AWS_REGION")):
        # The global name redirects for a new bucket elsewhere, and a preflight follows no redirect.
        assert region in ("us-east-1", "auto") or region in url.netloc


def test_pages_know_where_people_sign_in(
    monkeypatch: pytest.MonkeyPatch, load_handler: Callable[[str], ModuleType]
) -> None:
    """By settings; the client of the stack's own user pool comes with the API's stage."""
    own = {
        "STAGE": "prod",
        "BUCKET": "files",
        "WEB_DIRECTORY": str(PROJECT / "web"),
        "OIDC_ISSUER": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Pool",
        "OIDC_CLIENT_ID": "",
        "OIDC_SCOPE": "openid inlet/api",
        "OIDC_RESOURCE": "https://inlet.internal/api",
        "OIDC_ENDPOINT_ORIGIN": "https://inlet.auth.eu-west-1.amazoncognito.com",
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    settings.reload()
    event = api_event("GET", "/recordings") | {"stageVariables": {"userPoolClient": "client-1"}}

    answer = load_handler("site").lambda_handler(event, Context())

    assert (
        '<meta name="sign-in" data-issuer="https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Pool"'
        ' data-client="client-1" data-scope="openid inlet/api" data-resource="https://inlet.internal/api">'
    ) in answer["body"]
    connect = re.search("connect-src ([^;]+)", answer["headers"]["content-security-policy"])
    assert connect
    assert connect[1].split()[-2:] == [
        "https://cognito-idp.eu-west-1.amazonaws.com",
        "https://inlet.auth.eu-west-1.amazoncognito.com",
    ]
    settings.reload()


def test_pages_that_know_no_issuer_offer_no_sign_in(http: httpx.Client) -> None:
    assert 'name="sign-in"' not in http.get("/recordings").text
