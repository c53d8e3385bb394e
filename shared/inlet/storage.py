"""The bucket, on S3 or R2: the only module that speaks to it. Settings decide which; the calls are those both know.

Objects: `uploads/{uploadId}/original.{ext}` (a client's PUT), `work/{uploadId}/generated` (the model's answer until
it is stored), `results/{resultId}/full.{ext}` and `results/{resultId}/preview.webp`. Keys are made here in the code,
never by a client. No botocore exception leaves this module: `ObjectMissing`, `ObjectExists` or `StorageUnavailable`
do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from inlet.errors import ObjectExists, ObjectMissing, StorageUnavailable
from inlet.settings import settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PUT_SECONDS = 15 * 60
GET_SECONDS = 15 * 60


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the bucket says of an object; the ETag is without quotes."""

    etag: str
    size: int
    content_type: str


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A presigned URL, the headers its user must send with it, and when it lapses."""

    url: str
    headers: dict[str, str]
    expires_at: datetime


@cache
def client() -> "S3Client":
    """The S3 client, made on first use: importing this module needs no setting and opens no connection."""
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=settings.s3_secret_access_key,
        config=Config(
            signature_version="s3v4",
            # R2 knows no CRC trailers, which newer SDKs send by default.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "max_attempts": 3},
            connect_timeout=2,
            read_timeout=10,
            s3={"addressing_style": "path"} if settings.s3_endpoint_url else {},
        ),
    )


def presign_put(key: str, *, content_type: str, size: int | None = None, sha256: str | None = None) -> SignedRequest:
    """A PUT of exactly this object, valid 15 minutes: type, size, digest and `If-None-Match: *` are signed.

    `sha256` is base64. A second PUT to the key is refused by the bucket (412), so what was confirmed stays.
    """
    parameters: dict[str, Any] = {"ContentType": content_type, "IfNoneMatch": "*"}
    headers = {"Content-Type": content_type, "If-None-Match": "*"}
    if size is not None:
        parameters["ContentLength"] = size  # browsers send Content-Length by themselves and forbid setting it
    if sha256 is not None:
        parameters["ChecksumSHA256"] = sha256
        headers["x-amz-checksum-sha256"] = sha256
    return _presigned("put_object", key, parameters, headers, PUT_SECONDS)


def presign_get(key: str, *, download_name: str | None = None) -> SignedRequest:
    """A GET of this object, valid 15 minutes; `download_name` must already be a safe Content-Disposition value."""
    parameters = {"ResponseContentDisposition": download_name} if download_name else {}
    return _presigned("get_object", key, parameters, {}, GET_SECONDS)


def head(key: str) -> StoredObject:
    """What the bucket has under `key`; raises `ObjectMissing`."""
    with _translated():
        answer = client().head_object(Bucket=settings.bucket, Key=key)
    return StoredObject(_bare(answer["ETag"]), answer["ContentLength"], answer.get("ContentType", ""))


def exists(key: str) -> bool:
    """Whether the bucket has an object under `key`."""
    try:
        head(key)
    except ObjectMissing:
        return False
    return True


def read(key: str, *, etag: str | None = None) -> bytes:
    """The object's bytes; raises `ObjectMissing` if there is none, or none with this ETag."""
    condition: Any = {"IfMatch": f'"{etag}"'} if etag else {}
    with _translated():
        return client().get_object(Bucket=settings.bucket, Key=key, **condition)["Body"].read()


def put_once(key: str, content: bytes, content_type: str) -> bool:
    """Store under a fresh key. False if the key was taken: then the earlier bytes stand."""
    try:
        with _translated():
            client().put_object(
                Bucket=settings.bucket, Key=key, Body=content, ContentType=content_type, IfNoneMatch="*"
            )
    except ObjectExists:
        return False
    return True


def delete(key: str) -> None:
    """Remove the object; fine if there is none."""
    with _translated():
        client().delete_object(Bucket=settings.bucket, Key=key)


def _presigned(
    operation: str, key: str, parameters: dict[str, Any], headers: dict[str, str], seconds: int
) -> SignedRequest:
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
    with _translated():
        url = client().generate_presigned_url(
            operation, Params={"Bucket": settings.bucket, "Key": key} | parameters, ExpiresIn=seconds
        )
    return SignedRequest(url, headers, expires_at)


def _bare(etag: str) -> str:
    return etag.strip('"')


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code in ("404", "NoSuchKey", "NotFound"):
            raise ObjectMissing from error
        if status == 412:
            writing = error.operation_name in ("PutObject", "CompleteMultipartUpload")
            raise (ObjectExists if writing else ObjectMissing) from error
        raise StorageUnavailable(f"Storage refused {error.operation_name}: {code or status}") from error
    except (BotoCoreError, OSError) as error:
        raise StorageUnavailable(f"Storage does not answer: {type(error).__name__}") from error
