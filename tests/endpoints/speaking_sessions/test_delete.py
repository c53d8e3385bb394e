"""DELETE /api/sessions/{id}: the recording goes along."""

from typing import TYPE_CHECKING

import httpx
import pytest
from botocore.exceptions import ClientError

from local.stack import LocalStack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
from tests.support.speaking_sessions import recorded, refusal, row_of
from tests.support.stacks import Rows


def test_a_deleted_session_takes_its_recording_along(
    http: httpx.Client, stack: LocalStack, storage: "S3Client", rows: Rows
) -> None:
    session_id = recorded(http)
    key = row_of(rows, session_id)["audio_key"]
    assert http.delete(f"/api/sessions/{session_id}").json() == {"ok": True}
    with pytest.raises(ClientError, match="404"):
        storage.head_object(Bucket=stack.bucket, Key=key)
    for answer in (http.get(f"/api/sessions/{session_id}"), http.delete(f"/api/sessions/{session_id}")):
        assert refusal(answer) == (404, "SESSION_NOT_FOUND", "Session not found")
