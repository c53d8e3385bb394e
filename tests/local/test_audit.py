"""`make audit`: an advisory fails it, silence of the service does not. A stand-in speaks for both services."""

import gzip
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from local.stack import PROJECT
from local_aws.ports import free_port
from scripts import audit

UV = next(iter(sorted((PROJECT / ".uv").glob("*/bin/uv"))), None)


class Service(ThreadingHTTPServer):
    """Knows of an advisory against the first package it is asked about, or of none."""

    knows_one = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(gzip.decompress(sent) if self.headers["Content-Encoding"] == "gzip" else sent)
        self._say(self._osv(asked) if self.path == "/v1/querybatch" else self._npm(asked))

    def do_GET(self) -> None:
        if self.path == "/v1/vulns/OSV-1":
            self._say({"id": "OSV-1", "modified": "2026-01-01T00:00:00Z", "summary": "reads minds", "affected": []})
        else:  # npm asks for the versions of a vulnerable package
            self._say({"name": unquote(self.path[1:]), "versions": {}})

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _osv(self, asked: Any) -> Any:
        known = {"vulns": [{"id": "OSV-1", "modified": "2026-01-01T00:00:00Z"}]} if self.server.knows_one else {}
        return {"results": [known, *({} for _ in asked["queries"][1:])]}

    def _npm(self, asked: Any) -> Any:
        advisory = {"id": 1, "url": "https://example.com/1", "title": "reads minds", "severity": "high"}
        return {next(iter(asked)): [advisory | {"vulnerable_versions": "*"}]} if self.server.knows_one else {}

    def _say(self, answer: Any) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Find uv and npm as the Makefile does, and ask nobody by way of a proxy."""
    uv = os.environ.get("UV") or (str(UV) if UV else shutil.which("uv"))
    if uv is None:
        pytest.skip("uv is not here (make brings it)")
    monkeypatch.setenv("UV", uv)
    monkeypatch.setenv("PATH", f"{PROJECT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("npm_config_cache", str(tmp_path))
    monkeypatch.chdir(PROJECT)


def test_an_advisory_is_found_and_named(service: Service, tools: None) -> None:
    service.knows_one = True
    python, web = audit.audit_python("--service-url", service.url), audit.audit_web("--registry", service.url)
    assert "OSV-1: reads minds" in python.advisories
    assert "reads minds https://example.com/1" in web.advisories


def test_no_advisory_is_said(service: Service, tools: None) -> None:
    for finding in (audit.audit_python("--service-url", service.url), audit.audit_web("--registry", service.url)):
        assert (finding.asked, finding.advisories) == (True, "")


def test_a_service_that_does_not_answer_has_a_reason(tools: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    nowhere = f"http://127.0.0.1:{free_port()}"
    for finding in (audit.audit_python("--service-url", nowhere), audit.audit_web("--registry", nowhere)):
        assert (finding.asked, finding.advisories) == (False, "")
        assert finding.reason != "no reason given"


@pytest.mark.parametrize(
    ("finding", "status", "words"),
    [
        (audit.Finding(asked=True), 0, "uv.lock: no known advisory."),
        (audit.Finding(asked=False, reason="no route"), 0, "uv.lock: not audited, the advisory service could not be"),
        (audit.Finding(asked=True, advisories="a 1.0: bad"), 1, "uv.lock: advisories.\na 1.0: bad"),
    ],
)
def test_only_an_advisory_fails(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    finding: audit.Finding,
    status: int,
    words: str,
) -> None:
    monkeypatch.setattr(audit, "audit_python", lambda: finding)
    monkeypatch.setattr(audit, "audit_web", lambda: audit.Finding(asked=True))
    assert audit.main() == status
    assert words in "".join(capsys.readouterr())


def test_nothing_is_fetched_without_its_hash_and_no_package_runs_a_script() -> None:
    recipes = (PROJECT / "Makefile").read_text()
    (from_pip,) = re.findall(r"^UV_FROM_PIP := (.*)$", recipes, re.MULTILINE)
    assert {"--require-hashes", "--only-binary"} <= set(from_pip.split())
    installations = re.findall(r"pip install .*", recipes)
    assert len(installations) == 2
    assert all("$(UV_FROM_PIP)" in line for line in installations)
    assert re.findall(r"npm ci (\S+)", recipes) == ["--ignore-scripts"]
    assert re.search(r"^step make audit\b", (PROJECT / ".ci" / "run").read_text(), re.MULTILINE)
