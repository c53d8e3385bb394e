"""No exception of psycopg or botocore leaves its adapter by its own name; every class of both is tried."""

import inspect
import os
import select
import socket
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import botocore.exceptions
import psycopg
import psycopg.errors
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from inlet import database as database_module
from inlet import storage, workflow
from inlet.database import StatementFailed
from inlet.errors import DatabaseUnavailable, ObjectExists, ObjectMissing, StorageUnavailable, WorkflowUnavailable
from inlet.settings import settings
from inlet.workflow import PROCESS_IMAGE

LOST = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
PSYCOPG = {
    kind
    for module in (psycopg, psycopg.errors)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, psycopg.Error)
}
BOTOCORE = [
    kind for _, kind in inspect.getmembers(botocore.exceptions, inspect.isclass) if issubclass(kind, BotoCoreError)
]
UNREACHABLE = [*BOTOCORE, OSError, ConnectionResetError, TimeoutError]

STORAGE_CALLS: dict[str, Callable[[], Any]] = {
    "head": lambda: storage.head("k"),
    "exists": lambda: storage.exists("k"),
    "read": lambda: storage.read("k", etag="e"),
    "put_once": lambda: storage.put_once("k", b"", "image/png"),
    "delete": lambda: storage.delete("k"),
    "presign_put": lambda: storage.presign_put("k", content_type="image/png"),
    "presign_get": lambda: storage.presign_get("k"),
}
WORKFLOW_CALLS: dict[str, Callable[[], Any]] = {
    "start": lambda: PROCESS_IMAGE.start("u", 1),
    "status": lambda: workflow.status(PROCESS_IMAGE.execution_arn("u", 1)),
}


class Broken:
    """A client whose every call raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any, **__: Any) -> None:
            raise self._error

        return call


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BUCKET", "bucket")
    monkeypatch.setenv("STATE_MACHINE_ARN", "arn:aws:states:us-east-1:123456789012:stateMachine:image")
    settings.reload()
    yield
    settings.reload()


def refusal(code: str, status: int, operation: str = "GetObject") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        operation,
    )


def made(kind: type[Exception]) -> Exception:
    """An instance, whatever its class wants to be told."""
    error = kind.__new__(kind)
    Exception.__init__(error, kind.__name__)
    return error


def test_a_lost_connection_is_tried_again_and_then_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "_connection", lambda: None)
    monkeypatch.setattr(database_module, "_RETRY_PAUSE_SECONDS", 0)
    for kind in PSYCOPG:
        calls: list[None] = []

        def work(_: Any, kind: type[Exception] = kind, calls: list[None] = calls) -> None:
            calls.append(None)
            raise kind(kind.__name__)

        with pytest.raises(DatabaseUnavailable if issubclass(kind, LOST) else StatementFailed):
            database_module.run(work)
        assert len(calls) == (2 if issubclass(kind, LOST) else 1), f"{kind}: a bug is not tried twice"


def test_what_a_failover_raises_counts_as_lost() -> None:
    for kind in (
        psycopg.errors.AdminShutdown,
        psycopg.errors.CrashShutdown,
        psycopg.errors.CannotConnectNow,
        psycopg.errors.ConnectionFailure,
        psycopg.errors.TooManyConnections,
        psycopg.errors.SerializationFailure,
        psycopg.errors.DeadlockDetected,
    ):
        assert issubclass(kind, LOST)


def test_a_server_that_became_read_only_is_left_for_one_that_may_be_written(
    inlet_settings: None, database_url: str, database: psycopg.Connection[Any]
) -> None:
    """After a failover a kept connection may lead to the old primary: every write fails there, for ever."""
    write = "INSERT INTO rate_limits VALUES (%(key)s, now(), now(), 1)"
    database_module.execute("SET default_transaction_read_only = on", {})  # this connection only, as the old primary's
    assert database_module.execute(write, {"key": "a"}) == 1
    name = database.info.dbname
    database.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database_module.close()
    with pytest.raises(DatabaseUnavailable):
        database_module.execute(write, {"key": "b"})
    database.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert database_module.execute(write, {"key": "c"}) == 1, "the next call opens another connection"


def test_a_violated_constraint_quotes_no_row(
    inlet_settings: None, database: psycopg.Connection[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    statement = (
        "INSERT INTO uploads (id, email, session_token_hash, original_url, content_type, stage)"
        " VALUES ('u', 'ada@example.com', 'the-hash-of-a-token', 'k', 'image/png', 'no stage')"
    )
    with pytest.raises(StatementFailed) as failure:
        database_module.execute(statement, {})
    told = "".join(traceback.format_exception(failure.value)) + repr(failure.value)
    assert "uploads_stage_check" in told
    assert "violates check constraint" in told
    for secret in ("ada@example.com", "the-hash-of-a-token", "DETAIL", "Failing row"):
        assert secret not in told


def test_a_peer_that_vanishes_is_given_up_in_seconds(inlet_settings: None) -> None:
    database_module.fetch_one("SELECT 1", {})
    assert database_module._open is not None
    with socket.socket(fileno=os.dup(database_module._open.fileno())) as line:
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5000
        idle, interval, count = (
            line.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
    assert idle + interval * count <= 15


def test_an_unreachable_server_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    settings.reload()
    with pytest.raises(DatabaseUnavailable):
        database_module.fetch_one("SELECT 1", {})


def test_a_connection_that_hung_up_is_replaced_unnoticed(
    inlet_settings: None, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database_module.fetch_one("SELECT 1 AS one", {}) == {"one": 1}
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
        )
        monkeypatch.setattr(database_module, "_RETRY_PAUSE_SECONDS", None)  # pausing would fail: nothing breaks
        assert database_module._open is not None
        assert select.select([database_module._open.fileno()], [], [], 10)[0], "the server hangs up"
        assert database_module.fetch_one("SELECT 2 AS two", {}) == {"two": 2}


@pytest.mark.parametrize("call", STORAGE_CALLS)
def test_storage_that_does_not_answer(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in UNREACHABLE:
        broken = Broken(made(kind))
        monkeypatch.setattr(storage, "client", lambda broken=broken: broken)
        with pytest.raises(StorageUnavailable, match=kind.__name__):
            STORAGE_CALLS[call]()


@pytest.mark.parametrize(
    ("code", "status", "operation", "expected"),
    [
        ("404", 404, "HeadObject", ObjectMissing),
        ("NoSuchKey", 404, "GetObject", ObjectMissing),
        ("PreconditionFailed", 412, "GetObject", ObjectMissing),
        ("PreconditionFailed", 412, "PutObject", ObjectExists),
        ("AccessDenied", 403, "HeadObject", StorageUnavailable),
        ("NoSuchBucket", 404, "GetObject", StorageUnavailable),
        ("SlowDown", 503, "PutObject", StorageUnavailable),
        ("InternalError", 500, "PutObject", StorageUnavailable),
        ("ConditionalRequestConflict", 409, "PutObject", StorageUnavailable),
        ("Unheard", 418, "GetObject", StorageUnavailable),
    ],
)
def test_storage_that_refuses(code: str, status: int, operation: str, expected: type[Exception]) -> None:
    with pytest.raises(expected), storage.translated():
        raise refusal(code, status, operation)


@pytest.mark.parametrize("call", WORKFLOW_CALLS)
def test_a_workflow_that_does_not_answer(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in UNREACHABLE:
        broken = Broken(made(kind))
        monkeypatch.setattr(workflow, "client", lambda broken=broken: broken)
        with pytest.raises(WorkflowUnavailable, match=kind.__name__):
            WORKFLOW_CALLS[call]()


def test_a_workflow_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(code: str) -> None:
        monkeypatch.setattr(workflow, "client", lambda: Broken(refusal(code, 400, "StartExecution")))

    refuse("ExecutionAlreadyExists")
    PROCESS_IMAGE.start("u", 1)
    refuse("ExecutionDoesNotExist")
    assert workflow.status(PROCESS_IMAGE.execution_arn("u", 1)) is None
    for code in ("StateMachineDoesNotExist", "ThrottlingException", "AccessDeniedException"):
        refuse(code)
        for call in WORKFLOW_CALLS.values():
            with pytest.raises(WorkflowUnavailable, match=code):
                call()


def test_an_execution_s_arn_is_built_from_the_row() -> None:
    assert PROCESS_IMAGE.execution_arn("u", 2) == "arn:aws:states:us-east-1:123456789012:execution:image:u-2"
