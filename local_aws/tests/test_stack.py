"""A whole stack of the echo bundle: everything its template declares, from one template, in order."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg
import pytest

from local_aws import sources
from local_aws.children import PartFailed
from local_aws.ports import is_free
from local_aws.postgres import Postgres
from local_aws.s3_server import S3Server
from local_aws.stack import Stack
from local_aws.template import Template
from local_aws.tests.echo_bundle import BUNDLE, SHARED, TEMPLATE


@pytest.fixture(scope="module")
def reported() -> list[str]:
    return []


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, reported: list[str]) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("stack")
    with Stack(
        Template(TEMPLATE, "whole"),
        directory,
        shared=SHARED,
        environment={"GIVEN": "by the project", "AWS_PROFILE": "nope"},
        postgres=Postgres(directory / "postgres", durable=False),
        s3=S3Server(directory / "s3"),
        port=0,
        migrate_with="EchoFunction",
        report=reported.append,
    ) as running:
        yield running


@pytest.fixture
def http(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=30) as client:
        yield client


def test_functions_are_told_where_everything_is_by_the_names_boto3_reads(stack: Stack, http: httpx.Client) -> None:
    told = http.get("/echo").json()["environment"]
    assert told["GIVEN"] == "by the project"
    assert "AWS_PROFILE" not in told
    with psycopg.connect(told["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    account: dict[str, Any] = {
        "region_name": told["AWS_REGION"],
        "aws_access_key_id": told["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": told["AWS_SECRET_ACCESS_KEY"],
    }
    storage = boto3.client("s3", endpoint_url=told["AWS_ENDPOINT_URL_S3"], **account)
    storage.put_object(Bucket=told["BUCKET"], Key="a", Body=b"bytes")
    workflow = boto3.client("stepfunctions", endpoint_url=told["AWS_ENDPOINT_URL_SFN"], **account)
    started = workflow.start_execution(stateMachineArn=told["MACHINE"], name="one", input=json.dumps({"a": 1}))
    while (run := workflow.describe_execution(executionArn=started["executionArn"]))["status"] == "RUNNING":
        time.sleep(0.02)
    assert json.loads(run["output"])["work"]["event"] == {"a": 1}


def test_the_buckets_cors_lets_the_stacks_own_pages_in(stack: Stack) -> None:
    address = f"{stack.environment['AWS_ENDPOINT_URL_S3']}/whole-bucket/x"

    def preflight(origin: str) -> httpx.Headers:
        asked = {"origin": origin, "access-control-request-method": "PUT"}
        return httpx.options(address, headers=asked | {"access-control-request-headers": "content-type"}).headers

    for origin in (stack.url, stack.url.replace("127.0.0.1", "localhost"), "https://app.example.com"):
        assert preflight(origin)["access-control-allow-origin"] == origin
    assert "access-control-allow-origin" not in preflight("https://evil.example.com")


def test_requests_and_failures_are_reported(stack: Stack, http: httpx.Client, reported: list[str]) -> None:
    assert http.get("/broken").status_code == 500
    deadline = time.monotonic() + 10
    while not any(line.startswith("GET /broken 500 ") for line in reported):  # it is told after the client
        assert time.monotonic() < deadline, reported
        time.sleep(0.01)
    assert any("BrokenFunction failed after" in line and "a_module_that_is_in_no_layer" in line for line in reported)
    assert "a_module_that_is_in_no_layer" in stack.function_log.read_text()


def test_a_stack_of_functions_alone_needs_no_server(tmp_path: Path) -> None:
    with Stack(Template(TEMPLATE, "alone"), tmp_path, shared=SHARED, port=0, schedule_seconds=0) as stack:
        told = httpx.get(f"{stack.url}/echo", timeout=30).json()["environment"]
        assert not {"DATABASE_URL", "AWS_ENDPOINT_URL_S3"} & told.keys()
        with pytest.raises(PartFailed, match="Postgres: this stack has none of its own"):
            _ = stack.postgres


def test_a_stack_whose_migration_fails_says_why_and_leaves_nothing_running(tmp_path: Path) -> None:
    postgres = Postgres(tmp_path / "postgres", durable=False)
    stack = Stack(
        Template(TEMPLATE, "hopeless"),
        tmp_path,
        shared=SHARED,
        postgres=postgres,
        port=0,
        migrate_with="BrokenFunction",
    )
    with pytest.raises(PartFailed, match=r"Migrations: Runtime\.ImportModuleError"):
        stack.start()
    assert is_free(postgres.port)


# An edit is in force at the next request


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Callable[[], Any]]]:
    """A copy of the bundle that may be edited, and a request to its function."""
    monkeypatch.setattr(sources.Sources.__init__, "__kwdefaults__", {"look_seconds": 0})
    bundle = tmp_path / "bundle"
    shutil.copytree(BUNDLE, bundle)
    stack = Stack(
        Template(bundle / "template.yaml", "edited"),
        tmp_path,
        shared=bundle / "shared",
        port=0,
        schedule_seconds=0,
    )
    with stack, httpx.Client(base_url=stack.url, timeout=30) as client:
        yield bundle, lambda: client.get("/echo").json()


def test_an_edited_handler_runs_at_the_next_request(edited: tuple[Path, Callable[[], Any]]) -> None:
    bundle, ask = edited
    first, second = ask(), ask()
    assert (first["pid"], second["calls"]) == (second["pid"], 2)
    handler = bundle / "functions" / "echo" / "handler.py"
    handler.write_text(handler.read_text().replace('"calls": calls,', '"calls": "edited",'))
    third = ask()
    assert (third["calls"], third["pid"] == second["pid"]) == ("edited", False)
    assert ask()["pid"] == third["pid"]


def test_an_edited_shared_module_runs_at_the_next_request(edited: tuple[Path, Callable[[], Any]]) -> None:
    bundle, ask = edited
    assert ask()["words"] == "as shared"
    (bundle / "shared" / "wording" / "more.py").write_text('WORDS = "from a new module"\n')
    (bundle / "shared" / "wording" / "__init__.py").write_text("from wording.more import WORDS as WORDS\n")
    assert ask()["words"] == "from a new module"


def test_a_mended_handler_runs_at_the_next_request(edited: tuple[Path, Callable[[], Any]]) -> None:
    bundle, ask = edited
    handler = bundle / "functions" / "echo" / "handler.py"
    whole = handler.read_text()
    handler.write_text(whole + "\nthis is no Python\n")
    assert ask() == {"message": "Internal Server Error"}
    handler.write_text(whole)
    assert ask()["words"] == "as shared"


def test_files_are_looked_at_only_now_and_then(tmp_path: Path) -> None:
    watched = sources.Sources(look_seconds=60)
    before = watched.version(tmp_path)
    (tmp_path / "new.py").touch()
    assert watched.version(tmp_path) == before
    eager = sources.Sources(look_seconds=0)
    seen = eager.version(tmp_path)
    assert seen != before
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "new.pyc").touch()
    assert eager.version(tmp_path) == seen
    (tmp_path / "new.py").unlink()
    assert eager.version(tmp_path) != seen
