"""What the tests of image jobs over HTTP share."""

import httpx
import pytest

from local.stack import LocalStack
from tests.support.image_jobs import Upload, started, wait


@pytest.fixture(scope="session")
def finished(stack: LocalStack) -> Upload:
    """One completed job, to be looked at only."""
    with httpx.Client(base_url=stack.url, timeout=30) as http:
        upload = started(http)
        assert wait(http, upload)["status"] == "completed"
    return upload
