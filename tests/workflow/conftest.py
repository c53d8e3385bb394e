"""A world for image jobs: killable functions on a real database, bucket and workflow engine."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psycopg
import pytest
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl

from tests.support import crash
from tests.support.worlds.image_jobs import SharedEngine, World

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def world(
    crash_server: Path,
    engine: SharedEngine,
    database_url: str,
    own_bucket: str,
    storage: "S3Client",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """Functions with a database and a bucket of their own. The workflow's retries wait for nobody."""
    monkeypatch.setitem(vars(retrier_decl), "time", SimpleNamespace(sleep=lambda _: None))
    environment = {"DATABASE_URL": database_url, "BUCKET": own_bucket, "RATE_LIMIT_BYPASS": "true"}
    functions = crash.Functions(crash_server, environment, bill=tmp_path / "bill")
    engine.functions = functions
    with psycopg.connect(database_url, autocommit=True) as database:
        yield World(functions, database, storage, own_bucket, engine)
