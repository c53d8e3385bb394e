"""The bucket, on S3 or R2. Only this module and `multipart_uploads` speak to it, in calls that both know.

Objects (`keys.py` makes their keys, never a client):
    uploads/{uploadId}/original.{ext}             an image as its sender PUT it
    work/{uploadId}/generated                     the model's answer until it is stored
    results/{resultId}/full.{ext}, preview.webp   a finished picture and its watermarked preview
    files/{sessionId}/{fileId}                    a file of an upload session, which arrives in parts
    sessions/{userId}/{sessionId}/audio.{ext}     a recording

No botocore exception leaves these modules. They raise `ObjectMissing`, `ObjectExists`, `MultipartUploadGone`,
`PartsRefused` or `StorageUnavailable`.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import batched
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from inlet.errors import (
    MultipartUploadGone,
    ObjectContended,
    ObjectExists,
    ObjectMissing,
    PartsRefused,
    StorageUnavailable,
)
from inlet.headers import bare_etag
from inlet.settings import settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PUT_SECONDS = 15 * 60
GET_SECONDS = 15 * 60
DELETED_AT_ONCE = 1000
"""How many objects S3 deletes at most in one call."""
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the bucket says of an object. `size` is in bytes, the ETag without quotes."""

    etag: str
    size: int
    content_type: str


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A presigned URL, the headers its user must send with it, and when it expires."""

    url: str
    headers: dict[str, str]
    expires_at: datetime


@cache
def client(*, attempts: int = 2, read_timeout: int = 6) -> "S3Client":
    """Return the S3 client, made on first use: importing this module needs no setting and opens no connection.

    A bucket that stalls is given up in 17 seconds at most, long before Lambda would end the function.
    """
    made = boto3.client(
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
            retries={"mode": "standard", "total_max_attempts": attempts},
            connect_timeout=2,
            read_timeout=read_timeout,
            # On S3, "virtual" signs for the bucket's own region. The default signs for the global name, which redirects
            # until DNS knows a new bucket, and a browser's preflight follows no redirect.
            s3={"addressing_style": "path" if settings.s3_endpoint_url else "virtual"},
        ),
    )
    made.meta.events.register("before-call.s3.DeleteObjects", _add_content_md5)
    return made


def looking() -> "S3Client":
    """Return the client for looking into a file while its sender waits: one that stalls is given up in 11 seconds."""
    return client(attempts=2, read_timeout=3)


def _deleting_now() -> "S3Client":
    """Return the client for one attempt at a deletion that the sweeper makes up for."""
    return client(attempts=1, read_timeout=3)


def _add_content_md5(params: dict[str, Any], **_: Any) -> None:
    """Add the digest that some servers want of this one call: they do not know the SDK's own, which S3 takes too."""
    digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = base64.b64encode(digest).decode()


def presign_put(key: str, *, content_type: str, size: int | None = None, sha256: str | None = None) -> SignedRequest:
    """Sign a PUT of exactly this object, valid 15 minutes: type, size, digest and `If-None-Match: *` are signed.

    `sha256` is base64. A second PUT to the key is refused by the bucket (412), so what was confirmed stays.
    """
    parameters: dict[str, Any] = {"ContentType": content_type, "IfNoneMatch": "*"}
    headers = {"Content-Type": content_type, "If-None-Match": "*"}
    if size is not None:
        parameters["ContentLength"] = size  # browsers send Content-Length by themselves and forbid setting it
    if sha256 is not None:
        parameters["ChecksumSHA256"] = sha256
        headers["x-amz-checksum-sha256"] = sha256
    return presigned("put_object", key, parameters, headers, PUT_SECONDS)


def presign_get(
    key: str, *, download_name: str | None = None, content_type: str | None = None, seconds: int = GET_SECONDS
) -> SignedRequest:
    """Sign a GET of this object, valid 15 minutes unless told otherwise.

    `download_name` is a safe Content-Disposition value; `content_type` replaces the type the object was stored with.
    """
    said = {"ResponseContentDisposition": download_name, "ResponseContentType": content_type}
    parameters = {name: value for name, value in said.items() if value}
    return presigned("get_object", key, parameters, {}, seconds)


def address(key: str) -> str:
    """Return where the object lies. The address alone opens nothing: the bucket is private."""
    return presign_get(key).url.partition("?")[0]


def is_there() -> bool:
    """Tell that the bucket answers, by looking for one object. Raises where it does not."""
    with translated():
        client().list_objects_v2(Bucket=settings.bucket, MaxKeys=1)
    return True


def head(key: str) -> StoredObject:
    """Return what the bucket has under `key`. Raise `ObjectMissing`."""
    with translated():
        answer = client().head_object(Bucket=settings.bucket, Key=key)
    return StoredObject(bare_etag(answer["ETag"]), answer["ContentLength"], answer.get("ContentType", ""))


def exists(key: str) -> bool:
    """Tell whether the bucket has an object under `key`."""
    try:
        head(key)
    except ObjectMissing:
        return False
    return True


def read(key: str, *, etag: str | None = None) -> bytes:
    """Return the object's bytes. Raise `ObjectMissing` if there is none, or none with this ETag."""
    condition: Any = {"IfMatch": f'"{etag}"'} if etag else {}
    with translated():
        return client().get_object(Bucket=settings.bucket, Key=key, **condition)["Body"].read()


def read_head(key: str, length: int) -> tuple[StoredObject, bytes]:
    """Return what the bucket has under `key` and its first `length` bytes, in one call. Raise `ObjectMissing`."""
    with translated():
        answer = looking().get_object(Bucket=settings.bucket, Key=key, Range=f"bytes=0-{length - 1}")
        size = int(answer["ContentRange"].rpartition("/")[2])
        return StoredObject(bare_etag(answer["ETag"]), size, answer.get("ContentType", "")), answer["Body"].read()


def read_head_and_sha256(key: str, length: int) -> tuple[StoredObject, bytes, str]:
    """Do as `read_head`, and return the whole object's SHA-256 (base64) too, in one call and bounded memory.

    Takes the bucket's own digest where it keeps one of the whole object; else streams the object.
    """
    with translated():
        answer = looking().get_object(Bucket=settings.bucket, Key=key, ChecksumMode="ENABLED")
        stored = StoredObject(bare_etag(answer["ETag"]), answer["ContentLength"], answer.get("ContentType", ""))
        with closing(answer["Body"]) as body:
            beginning = body.read(length)
            kept = answer.get("ChecksumSHA256", "")
            if kept and "-" not in kept:  # "…-3" is a digest of three parts' digests
                return stored, beginning, kept
            digest = hashlib.sha256(beginning)
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                digest.update(chunk)
    return stored, beginning, base64.b64encode(digest.digest()).decode()


def put_once(key: str, content: bytes, content_type: str) -> bool:
    """Store under a fresh key. Return False if the key was taken: then the earlier bytes stand.

    Where another write or a deletion of the key is under way, S3 knows no answer yet, and is asked once more.
    """

    def put() -> None:
        with translated():
            client().put_object(
                Bucket=settings.bucket, Key=key, Body=content, ContentType=content_type, IfNoneMatch="*"
            )

    try:
        try:
            put()
        except ObjectContended:
            put()
    except ObjectExists:
        return False
    return True


def delete(key: str) -> None:
    """Delete the object if there is one."""
    with translated():
        client().delete_object(Bucket=settings.bucket, Key=key)


def delete_many(keys: Sequence[str], *, patiently: bool = True) -> set[str]:
    """Delete up to `DELETED_AT_ONCE` objects, in one call. Return the keys that the bucket refused to delete.

    Impatiently: one attempt of five seconds at most.
    """
    objects: Any = [{"Key": key} for key in keys]
    deleting = client if patiently else _deleting_now
    with translated():
        answer = deleting().delete_objects(Bucket=settings.bucket, Delete={"Objects": objects, "Quiet": True})
    return {refused["Key"] for refused in answer.get("Errors", [])}


def keys_under(prefix: str) -> list[str]:
    """Return the key of every object whose key begins with `prefix`."""
    with translated():
        pages = client().get_paginator("list_objects_v2").paginate(Bucket=settings.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


def delete_all(keys: Sequence[str]) -> None:
    """Delete these objects. Raise `StorageUnavailable` if any is still there."""
    for batch in batched(keys, DELETED_AT_ONCE, strict=False):
        if refused := delete_many(batch):
            raise StorageUnavailable(f"Storage refused to delete {len(refused)} objects")


def presigned(
    operation: str, key: str, parameters: dict[str, Any], headers: dict[str, str], seconds: int
) -> SignedRequest:
    """Sign one call on one object, for a client to make within `seconds`."""
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
    with translated():
        url = client().generate_presigned_url(
            operation, Params={"Bucket": settings.bucket, "Key": key} | parameters, ExpiresIn=seconds
        )
    return SignedRequest(url, headers, expires_at)


@contextmanager
def translated() -> Iterator[None]:
    """Translate botocore's exceptions into those of `errors`."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code in ("404", "NoSuchKey", "NotFound"):
            raise ObjectMissing from error
        if code == "NoSuchUpload":
            raise MultipartUploadGone from error
        if code in ("InvalidPart", "InvalidPartOrder", "EntityTooSmall"):
            raise PartsRefused from error
        if status == 412:
            writing = error.operation_name in ("PutObject", "CompleteMultipartUpload")
            raise (ObjectExists if writing else ObjectMissing) from error
        kind = ObjectContended if code == "ConditionalRequestConflict" else StorageUnavailable
        raise kind(f"Storage refused {error.operation_name}: {code or status}") from error
    except (BotoCoreError, OSError) as error:
        raise StorageUnavailable(f"Storage does not answer: {type(error).__name__}") from error
