"""A deployment: CloudFormation has the schema brought up to date, and one database serves one stack."""

import json
import shutil
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import psycopg
import pytest

from inlet import deployment_table
from inlet.settings import settings
from local.stack import PROJECT
from tests.support.invocations import Context

STATE_MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:inlet-dev-process-image"
ANALYSES = "arn:aws:states:eu-west-1:123456789012:stateMachine:inlet-dev-analyse-recording"


@pytest.fixture
def dev(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The stage dev on a database of its own."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("MIGRATIONS_DIRECTORY", str(PROJECT / "migrations"))
    monkeypatch.setenv("BUCKET", "inlet-dev")
    monkeypatch.setenv("STATE_MACHINE_ARN", STATE_MACHINE)
    monkeypatch.setenv("ANALYSIS_STATE_MACHINE_ARN", ANALYSES)
    monkeypatch.setenv("STAGE", "dev")
    settings.reload()
    yield
    settings.reload()


@pytest.fixture
def handler(load_handler: Callable[[str], ModuleType]) -> Any:
    return load_handler("operations/migrate")


@pytest.fixture
def told() -> Iterator[Callable[[str], dict[str, Any]]]:
    """`told("Create")`: a request whose answer goes to an address that this test listens at."""
    answers: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            answers.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    Thread(target=server.serve_forever, daemon=True).start()

    def request(kind: str, **more: str) -> dict[str, Any]:
        return {
            "RequestType": kind,
            "ResponseURL": f"http://127.0.0.1:{server.server_port}/answer",
            "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/inlet-dev/1",
            "RequestId": "request",
            "LogicalResourceId": "Schema",
            "ResourceProperties": {},
        } | more

    request.answers = answers  # type: ignore[attr-defined]
    yield request
    server.shutdown()
    server.server_close()


def call(handler: Any, told: Any, kind: str, **more: str) -> dict[str, Any]:
    handler.lambda_handler(told(kind, **more), Context())
    answer: dict[str, Any] = told.answers.pop()
    assert (answer["StackId"][-11:], answer["RequestId"]) == ("inlet-dev/1", "request")
    return answer


def test_cloudformation_has_the_schema_brought_up_to_date(dev: None, handler: Any, told: Any) -> None:
    created = call(handler, told, "Create")
    assert created["Status"] == "SUCCESS"
    updated = call(handler, told, "Update", PhysicalResourceId=created["PhysicalResourceId"])
    assert updated["Status"] == "SUCCESS"
    assert updated["PhysicalResourceId"] == created["PhysicalResourceId"], "else CloudFormation deletes the former"


def test_the_database_knows_whose_it_is_and_both_state_machines(
    dev: None, handler: Any, told: Any, database: psycopg.Connection[Any]
) -> None:
    call(handler, told, "Create")
    row = database.execute("SELECT stage, bucket, state_machines FROM deployment").fetchone()
    assert row == ("dev", "inlet-dev", [STATE_MACHINE, ANALYSES])


def test_what_fails_is_told_without_what_is_secret(
    dev: None, handler: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIGRATIONS_DATABASE_URL", "postgresql://inlet:very-secret@127.0.0.1:1/inlet")
    settings.reload()
    answer = call(handler, told, "Create")
    assert answer["Status"] == "FAILED"
    assert "refused" in answer["Reason"]
    assert "very-secret" not in json.dumps(answer)


def test_a_stack_that_goes_waits_for_nothing(
    dev: None, handler: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A creation that failed is deleted: without a database too."""
    monkeypatch.setenv("MIGRATIONS_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    settings.reload()
    assert call(handler, told, "Delete", PhysicalResourceId="Schema")["Status"] == "SUCCESS"


@pytest.mark.parametrize(("name", "value"), [("STAGE", "prod"), ("BUCKET", "inlet-prod")])
def test_another_stack_is_refused_before_it_changes_anything(
    dev: None,
    name: str,
    value: str,
    handler: Any,
    told: Any,
    database: psycopg.Connection[Any],
    tmp_path: Path,
    load_handler: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else its sweeper would look for this stack's files in its own bucket, and end every job whose file it misses."""
    assert call(handler, told, "Create")["Status"] == "SUCCESS"
    shutil.copytree(PROJECT / "migrations", tmp_path, dirs_exist_ok=True)
    (tmp_path / "9999_more.sql").write_text("CREATE TABLE more ()")
    monkeypatch.setenv("MIGRATIONS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv(name, value)
    settings.reload()
    answer = call(handler, told, "Create")
    assert answer["Status"] == "FAILED"
    assert "belongs to the stage dev with the bucket inlet-dev" in answer["Reason"]
    assert "DELETE FROM deployment" in answer["Reason"], "what a person can do"
    assert database.execute("SELECT to_regclass('more')").fetchone() == (None,)
    for operation in ("sweep", "deliver_events"):
        with pytest.raises(deployment_table.ForeignDatabase):
            load_handler(f"operations/{operation}").lambda_handler({}, Context())
