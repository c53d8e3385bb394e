"""What the tests of upload sessions over HTTP share."""

import pytest

from local.stack import LocalStack
from tests.support.upload_sessions import Bucket


@pytest.fixture
def bucket_of(stack: LocalStack) -> "Bucket":
    return Bucket(stack.storage, stack.bucket)
