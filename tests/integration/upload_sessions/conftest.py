"""A world for upload sessions: killable functions on a real database and bucket."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.rows import dict_row

from inlet.logs import logger
from inlet.settings import settings
from tests.support import crash
from tests.support.in_process import InProcess
from tests.support.worlds.upload_sessions import World

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


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
