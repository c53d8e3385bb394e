"""What the bucket may say now and otherwise a moment later, and how many objects go at once."""

import base64
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from inlet import storage as inlet_storage
from inlet.errors import StorageUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def answers(inlet_settings: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """What a bucket answers PUTs with, in order: a status of S3's own."""
    script: list[int] = []

    class Bucket:
        def put_object(self, **_: Any) -> None:
            status = script.pop(0)
            if status != 200:
                code = {409: "ConditionalRequestConflict", 412: "PreconditionFailed"}[status]
                answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
                raise ClientError(answer, "PutObject")

    with monkeypatch.context() as patched:
        patched.setattr(inlet_storage, "client", Bucket)
        yield script


@pytest.mark.parametrize(("said", "stored"), [([409, 200], True), ([409, 412], False)])
def test_a_write_that_meets_another_is_made_once_more(answers: list[int], said: list[int], stored: bool) -> None:
    answers += said
    assert inlet_storage.put_once("key", b"", "image/png") is stored
    assert not answers


def test_a_write_that_meets_another_twice_is_given_up(answers: list[int]) -> None:
    answers += [409, 409, 200]
    with pytest.raises(StorageUnavailable, match="ConditionalRequestConflict"):
        inlet_storage.put_once("key", b"", "image/png")
    assert answers == [200]


def test_many_objects_go_in_few_calls(
    inlet_settings: None, storage: "S3Client", bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    inlet_storage.client().meta.events.register(
        "before-send.s3.DeleteObjects", lambda request, **_: sent.append(request)
    )
    monkeypatch.setattr(inlet_storage, "DELETED_AT_ONCE", 2)
    for number in range(5):
        storage.put_object(Bucket=bucket, Key=f"many/{number}", Body=b"x")
    inlet_storage.delete_all(inlet_storage.keys_under("many/"))
    assert "Contents" not in storage.list_objects_v2(Bucket=bucket, Prefix="many/")
    assert len(sent) == 3
    for request in sent:
        digest = hashlib.md5(request.body, usedforsecurity=False).digest()
        assert request.headers["Content-MD5"] == base64.b64encode(digest), "other servers than S3 insist on it"
    assert inlet_storage.delete_many(["many/0", "never/there"]) == set()
