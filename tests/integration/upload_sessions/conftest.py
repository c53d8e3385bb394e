"""A world for upload sessions: killable functions on a real database and bucket."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.rows import dict_row

from inlet.observability import logger
from inlet.settings import settings
from local.s3_server import S3Server
from tests import crash
from tests.conftest import storage_settings
from tests.in_process import InProcess
from tests.session_world import World

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="session")
def crash_server(tmp_path_factory: pytest.TempPathFactory, s3: S3Server) -> Iterator[Path]:
    """Where functions can be killed."""
    environment = storage_settings(s3, "none") | {
        "STAGE": "local",
        "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:none",
        "STEP_FUNCTIONS_ENDPOINT_URL": "http://127.0.0.1:1",
    }
    with crash.serving(tmp_path_factory.mktemp("crash"), environment) as (address, _):
        yield address


@pytest.fixture
def world(
    crash_server: Path, database_url: str, own_bucket: str, storage: "S3Client", tmp_path: Path
) -> Iterator[World]:
    """Functions with a database and a bucket of their own."""
    environment = {"DATABASE_URL": database_url, "BUCKET": own_bucket, "SESSIONS_PER_DAY": "30"}
    functions = crash.Functions(crash_server, environment, bill=tmp_path / "bill")
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as rows:
        yield World(functions, rows, storage, own_bucket)


@pytest.fixture
def nearby(
    inlet_settings: None,
    database_url: str,
    own_bucket: str,
    storage: "S3Client",
    load_handler: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """The same in this process: no kill is real there, but a call takes milliseconds."""
    monkeypatch.setenv("BUCKET", own_bucket)
    monkeypatch.setenv("RATE_LIMIT_BYPASS", "false")
    settings.reload()
    logger.setLevel("CRITICAL")
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as rows:
        yield World(InProcess(load_handler), rows, storage, own_bucket)
    logger.setLevel("INFO")
