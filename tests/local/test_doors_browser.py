"""A page of another origin, in a real browser on the machine where the stack runs: whatever it sends changes nothing.

The page's server is this test's own, on another name of the same machine (`localhost`, a different site); a rebound
name is a name of its own that the browser is told to look for here.
"""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from local.stack import LocalStack
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.support.recordings import tone

# Every way a page has to send something anywhere without a word of the other side; each resolves, however it went.
SENDERS = """
const timely = promise => Promise.race([promise, new Promise(done => setTimeout(done, 3000))]).catch(() => null);
const text = answer => answer && answer.type !== "opaque" ? answer.text() : null;
window.attempts = {
  read: url => timely(fetch(url).then(text)),
  fetch: (url, body, method = "POST") => timely(fetch(url, { method, body: JSON.stringify(body) }).then(text)),
  json: (url, body) => timely(fetch(url, {
    method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" },
  }).then(text)),
  blob: (url, body) => timely(
    fetch(url, { method: "POST", mode: "no-cors", body: new Blob([JSON.stringify(body)]) }).then(text)),
  files: (url, { file, ...fields }) => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    const bytes = Uint8Array.from(atob(file), letter => letter.charCodeAt(0));
    form.append("audio", new File([bytes], "a.wav", { type: "audio/wav" }));
    return timely(fetch(url, { method: "POST", mode: "no-cors", body: form }).then(text));
  },
  beacon: (url, body) => navigator.sendBeacon(url, JSON.stringify(body)) && null,
  image: url => timely(new Promise(done => {
    const seen = new Image();
    seen.onload = seen.onerror = () => done(null);
    seen.src = url;
  })),
  form: (url, fields) => timely(new Promise(done => {
    const frame = document.createElement("iframe");
    const form = document.createElement("form");
    frame.name = `frame-${Math.random()}`;
    Object.assign(form, { action: url, method: "POST", enctype: "multipart/form-data", target: frame.name });
    for (const [name, value] of Object.entries(fields)) {
      const input = document.createElement("input");
      Object.assign(input, { name, value });
      form.append(input);
    }
    document.body.append(frame, form);
    let loads = 0;
    frame.onload = () => { loads += 1; if (loads > 1) done(null); };
    form.submit();
  })),
};
"""
UPLOAD = {"email": "a@example.com", "type": "image/jpeg"}
SESSION = {"category": "instruction"}


@pytest.fixture(scope="module")
def evil() -> Iterator[str]:
    """The address of a page of another origin."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<!doctype html><title>evil</title><body><script>{SENDERS}</script>".encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for which `rebound.example` is this machine."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    rebinding = "--host-resolver-rules=MAP rebound.example 127.0.0.1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, rebinding])
        yield browser
        browser.close()


@pytest.fixture
def evil_page(browser: Browser, evil: str) -> Iterator[Page]:
    page = browser.new_page()
    page.goto(evil)
    yield page
    page.close()


@pytest.fixture
def state(stack: LocalStack) -> Callable[[], dict[str, Any]]:
    """All that a page might have changed: rows, objects, executions."""

    def look() -> dict[str, Any]:
        with psycopg.connect(stack.database_url) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            counted = {
                name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone() for (name,) in sorted(tables)
            }
        objects = stack.storage.list_objects_v2(Bucket=stack.bucket).get("Contents", [])
        machine, _ = stack.template.state_machines
        engine = stack.engine.client()
        runs = engine.list_executions(stateMachineArn=machine.arn)["executions"]
        machines = engine.list_state_machines()["stateMachines"]
        return {
            "rows": counted,
            "objects": sorted(known["Key"] for known in objects),
            "executions": sorted(run["executionArn"] for run in runs),
            "machines": sorted(known["name"] for known in machines),
        }

    return look


def attempt(page: Page, way: str, *arguments: Any) -> str:
    """Send something; return what the page could read of the answer."""
    told = page.evaluate("([way, ...sent]) => window.attempts[way](...sent)", [way, *arguments])
    return told or ""


def test_a_page_of_another_origin_writes_nothing_to_the_api(
    stack: LocalStack, evil_page: Page, state: Callable[[], dict[str, Any]]
) -> None:
    before = state()
    api = {
        f"{stack.url}/api/upload": UPLOAD,
        f"{stack.url}/api/mocs/uploads/sessions": SESSION,
        f"{stack.url}/api/sessions": {"duration": "1", "audio": "RIFF"},
    }
    for url, body in api.items():
        for way in ("fetch", "json", "blob", "beacon", "form"):
            assert attempt(evil_page, way, url, body) == "", (way, url)
        attempt(evil_page, "image", url)
    recording = {"duration": "1", "file": base64.b64encode(tone()).decode()}
    assert attempt(evil_page, "files", f"{stack.url}/api/sessions", recording) == ""
    assert attempt(evil_page, "read", f"{stack.url}/api/sessions") == ""
    assert state() == before


def test_a_page_of_another_origin_changes_no_object_and_starts_no_execution(
    stack: LocalStack, evil_page: Page, state: Callable[[], dict[str, Any]]
) -> None:
    stack.storage.put_object(Bucket=stack.bucket, Key="kept/photo", Body=b"mine")
    before = state()
    s3 = f"{stack.environment['S3_ENDPOINT_URL']}/{stack.bucket}"
    told = stack.environment["STEP_FUNCTIONS_ENDPOINT_URL"]
    bare = "http://{0.hostname}:{0.port}".format(urlsplit(told))
    machine, _ = stack.template.state_machines
    start = {"stateMachineArn": machine.arn, "name": "evil", "input": "{}"}
    for way in ("fetch", "json", "blob", "beacon", "form"):
        for engine in (f"{bare}/", f"{bare}/moto-api/reset", told):  # also where it came to know the address
            assert attempt(evil_page, way, engine, start) == "", (way, engine)
        assert "mine" not in attempt(evil_page, way, f"{s3}/kept/photo", {"key": "kept/photo", "file": "evil"})
    assert "mine" not in attempt(evil_page, "read", f"{s3}/kept/photo")
    attempt(evil_page, "fetch", f"{s3}/kept/photo", {}, "PUT")
    attempt(evil_page, "fetch", f"{s3}/kept/photo", {}, "DELETE")
    for place in (f"{s3}/?delete", f"{bare}/moto-api/reset"):
        attempt(evil_page, "image", place)
    assert stack.storage.get_object(Bucket=stack.bucket, Key="kept/photo")["Body"].read() == b"mine"
    assert state() == before


def test_a_rebound_name_shows_no_page_and_reads_nothing(stack: LocalStack, browser: Browser) -> None:
    port = urlsplit(stack.url).port
    page = browser.new_page()
    answer = page.goto(f"http://rebound.example:{port}/api/sessions")
    assert answer is not None
    assert (answer.status, json.loads(answer.text())["code"]) == (421, "BAD_REQUEST")
    own = page.goto(f"{stack.url}/api/sessions")
    assert own is not None
    assert own.status == 200
    page.close()


def test_the_stacks_own_page_writes(stack: LocalStack, browser: Browser) -> None:
    page = browser.new_page()
    for name in ("127.0.0.1", "localhost"):
        page.goto(stack.url.replace("127.0.0.1", name))
        status = page.evaluate(
            "body => fetch('/api/upload', { method: 'POST', body: JSON.stringify(body),"
            " headers: { 'content-type': 'application/json' } }).then(answer => answer.status)",
            UPLOAD,
        )
        assert status == 201
    page.close()
