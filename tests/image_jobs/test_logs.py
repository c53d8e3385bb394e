"""The logs of a whole run, of every function and every part of the local stack, give nothing away."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from local.stack import LocalStack
from tests.support import posthog_stand_in
from tests.support.image_jobs import EMAIL, Upload, confirm, confirmed, process, reserve, started, status, wait
from tests.support.photographs import PHOTOGRAPH
from tests.support.stacks import new_stack

KEY = "idempotency-key-of-somebody"


class Run:
    """Everything that was said to clients and must not be in a log, and the logs."""

    def __init__(self, directory: Path) -> None:
        self.uploads: list[Upload] = []
        self.signed: list[str] = []
        self._directory = directory

    def texts(self) -> dict[str, str]:
        """Every file a part of the stack has written as a log."""
        return {
            str(file.relative_to(self._directory)): file.read_text(errors="replace")
            for file in self._directory.rglob("*.log")
            if "data" not in file.relative_to(self._directory).parts
        }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A stack with servers of its own, on which everything is done that can be done with an image, well and badly."""
    directory = tmp_path_factory.mktemp("logged")
    done = Run(directory)
    lines = directory / "report.log"
    with posthog_stand_in.listening() as posthog:
        settings = {"POSTHOG_API_KEY": "phc_secret_key", "POSTHOG_HOST": posthog.host, "RATE_LIMIT_BYPASS": "true"}
        stack = new_stack(directory, settings)
        stack._report = lambda line: lines.open("a").write(line + "\n")  # type: ignore[assignment]
        with stack, httpx.Client(base_url=stack.url, timeout=30) as http:
            play(http, done)
            posthog.mood = "failing"
            stack.sandboxes.invoke("OperationsDeliverEventsFunction", {})
            stack.sandboxes.invoke("OperationsSweepFunction", {})
            break_the_database(http, stack)
            yield done


def play(http: httpx.Client, done: Run) -> None:
    completed, failed = started(http), started(http, b"no picture")
    result = wait(http, completed)
    wait(http, failed)
    process(http, failed)
    wait(http, failed)
    unconfirmed, other = reserve(http, size=5), confirmed(http)
    done.uploads += [completed, failed, unconfirmed, other]
    body = {"email": EMAIL, "type": "image/png"}
    for _ in range(2):
        http.post("/api/upload", json=body, headers={"Idempotency-Key": KEY})
    preview = http.get(f"/api/results/{result['resultId']}", headers=completed.auth).json()["previewUrl"]
    done.signed += [preview, *(upload.url for upload in done.uploads)]
    unconfirmed.put(PHOTOGRAPH)
    httpx.get(preview)
    for answer in (
        confirm(http, unconfirmed, **other.auth),
        status(http, Upload(other.id, completed.token, "", {})),
        http.get(f"/api/status/{other.id}", headers={"X-Session-Token": completed.token}),
        http.post("/api/process", json={"uploadId": completed.token}, headers=completed.auth),
        http.post("/api/upload", json={"email": f"{EMAIL} {completed.token}", "type": preview}),
        http.post("/api/upload", content=json.dumps(body)[:-1], headers={"Content-Type": "application/json"}),
    ):
        assert 400 <= answer.status_code < 500


def break_the_database(http: httpx.Client, stack: LocalStack) -> None:
    """What nobody foresaw: the traceback quotes the whole row."""
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        database.execute("ALTER TABLE uploads ADD CONSTRAINT never CHECK (false) NOT VALID")
    refused = http.post("/api/upload", json={"email": EMAIL, "type": "image/png"})
    assert refused.status_code == 500
    assert EMAIL not in refused.text


def test_everything_was_logged(run: Run) -> None:
    texts = run.texts()
    functions = texts["functions.log"]
    assert {"functions.log", "report.log"} <= texts.keys()
    assert any("postgres" in name for name in texts)
    assert any("s3" in name for name in texts)
    for expected in (
        "route=POST /api/upload status=201",
        "job failed",
        "sweep",
        "delivered",
        "CheckViolation",
        "(never)",
    ):
        assert expected in functions, expected
    assert "POST /api/process 202" in texts["report.log"]


def test_no_token(run: Run) -> None:
    for name, text in run.texts().items():
        for upload in run.uploads:
            assert upload.token not in text, name
            assert hashlib.sha256(upload.token.encode()).hexdigest() not in text, name


def test_no_row(run: Run) -> None:
    """Neither of Postgres nor of a function: DETAIL quotes the row that violates a constraint."""
    for name, text in run.texts().items():
        assert "DETAIL" not in text, name
        assert "Failing row" not in text, name


def test_a_refused_photograph_is_one_line(run: Run) -> None:
    functions = run.texts()["functions.log"]
    assert "[ERROR] ImageRejected: We can't read this kind of file." in functions
    before, _, after = functions.partition("[ERROR] ImageRejected")
    assert "Traceback" not in before.rpartition("\n")[0].rsplit("\n", 2)[-1]
    assert not after.partition("\n")[2].startswith(("Traceback", "  File"))


@pytest.mark.parametrize(
    "secret",
    [
        re.escape(EMAIL),
        r"[\w.+-]+@[\w-]+\.\w+",
        r"X-Amz-Signature=(?!\[)",
        r"X-Amz-Credential=(?!\[)",
        KEY,
        "phc_secret_key",
        "local-secret",
        r"postgres(ql)?://",
    ],
)
def test_no_address_no_signature_no_key(run: Run, secret: str) -> None:
    for name, text in run.texts().items():
        if found := re.search(f".*{secret}.*", text, re.IGNORECASE):
            pytest.fail(f"{name}: {found[0]}")


def test_no_signed_url(run: Run) -> None:
    for name, text in run.texts().items():
        for url in run.signed:
            assert url not in text, name
            assert url.rpartition("Signature=")[2] not in text, name
