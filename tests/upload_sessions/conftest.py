"""What the tests of upload sessions share: their world, and the same without processes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from inlet.logs import logger
from inlet.settings import settings
from tests.support.in_process import InProcess
from tests.support.stacks import Rows
from tests.support.worlds.upload_sessions import UploadSessionsWorld

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def world(upload_sessions_world: UploadSessionsWorld) -> UploadSessionsWorld:
    """Name this folder's world."""
    return upload_sessions_world


@pytest.fixture
def world_in_process(
    inlet_settings: None, world_rows: Rows, own_bucket: str, storage: "S3Client", monkeypatch: pytest.MonkeyPatch
) -> Iterator[UploadSessionsWorld]:
    """The same in this process, for calls by the thousand: no death is real there, but a call takes milliseconds."""
    monkeypatch.setattr("inlet.database._RETRY_PAUSE_SECONDS", 0)
    monkeypatch.setenv("BUCKET", own_bucket)
    monkeypatch.setenv("RATE_LIMIT_BYPASS", "false")
    settings.reload()
    logger.setLevel("CRITICAL")
    yield UploadSessionsWorld(InProcess(), world_rows, storage, own_bucket)
    logger.setLevel("INFO")
