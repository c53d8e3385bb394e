"""A world for image jobs: killable functions on a real database, bucket and workflow engine."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psycopg
import pytest
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl

from local.s3_server import S3Server
from tests import crash
from tests.conftest import storage_settings
from tests.workflow.world import SharedEngine, World

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="session")
def engine() -> Iterator[SharedEngine]:
    """The deployed state machine on the local engine."""
    shared = SharedEngine()
    yield shared
    shared.stop()


@pytest.fixture(scope="session")
def crash_server(
    tmp_path_factory: pytest.TempPathFactory, engine: SharedEngine, s3: S3Server
) -> Iterator[tuple[Path, Path]]:
    """Where functions can be killed, and their log."""
    environment = storage_settings(s3, "none") | engine.settings | {"STAGE": "local", "RATE_LIMIT_BYPASS": "true"}
    with crash.serving(tmp_path_factory.mktemp("crash"), environment) as server:
        yield server
        log = server[1].read_text()
    assert "somebody@example.com" not in log
    assert "X-Amz-Signature" not in log


@pytest.fixture
def world(
    crash_server: tuple[Path, Path],
    engine: SharedEngine,
    database_url: str,
    own_bucket: str,
    storage: "S3Client",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """Functions with a database and a bucket of their own. The workflow's retries wait for nobody."""
    monkeypatch.setitem(vars(retrier_decl), "time", SimpleNamespace(sleep=lambda _: None))
    functions = crash.Functions(
        crash_server[0], {"DATABASE_URL": database_url, "BUCKET": own_bucket}, bill=tmp_path / "bill"
    )
    engine.functions = functions
    with psycopg.connect(database_url, autocommit=True) as database:
        yield World(functions, database, storage, own_bucket, engine)
