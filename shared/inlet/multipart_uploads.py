"""Multipart uploads of S3: a file that arrives in parts, each PUT by the client straight to the bucket.

An upload is open from `begin` until `complete`, which makes the object, or `abort`, which drops the parts. Errors are
those of `storage`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from inlet.errors import MultipartUploadGone
from inlet.headers import bare_etag
from inlet.settings import settings
from inlet.storage import client, presigned, translated

S3_PAGE = 1000
"""How many parts, or uploads, S3 lists at most in one answer."""


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part that the bucket has. The ETag is without quotes, the size in bytes."""

    number: int
    etag: str
    size: int


def begin(key: str, *, content_type: str) -> str:
    """Open a multipart upload. Return its id."""
    with translated():
        return client().create_multipart_upload(Bucket=settings.bucket, Key=key, ContentType=content_type)["UploadId"]


def sign_part(key: str, upload_id: str, number: int, *, size: int, seconds: int) -> str:
    """Sign the PUT of one part of exactly `size` bytes: the bucket refuses any other size."""
    parameters = {"UploadId": upload_id, "PartNumber": number, "ContentLength": size}
    return presigned("upload_part", key, parameters, {}, seconds).url


def uploaded_parts(key: str, upload_id: str, *, first: int, last: int) -> Iterator[UploadedPart]:
    """Yield the parts that the bucket has from number `first` to `last`, in order."""
    before = first - 1
    while before < last:
        page: Any = {"PartNumberMarker": before} if before else {}
        with translated():
            answer = client().list_parts(
                Bucket=settings.bucket,
                Key=key,
                UploadId=upload_id,
                MaxParts=min(S3_PAGE, last - before),
                **page,
            )
        for part in answer.get("Parts", []):
            before = part["PartNumber"]
            if before <= last:
                yield UploadedPart(before, bare_etag(part["ETag"]), part["Size"])
        if not answer["IsTruncated"]:
            return


def complete(key: str, upload_id: str, etags: dict[int, str]) -> str:
    """Assemble the object from its parts (number to ETag without quotes). Return the object's ETag."""
    parts: Any = [{"PartNumber": number, "ETag": f'"{etags[number]}"'} for number in sorted(etags)]
    with translated():
        answer = client().complete_multipart_upload(
            Bucket=settings.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}
        )
    return bare_etag(answer["ETag"])


def abort(key: str, upload_id: str) -> None:
    """Drop the parts. Does nothing if the upload is no longer open."""
    try:
        with translated():
            client().abort_multipart_upload(Bucket=settings.bucket, Key=key, UploadId=upload_id)
    except MultipartUploadGone:
        return


def abort_all(prefix: str) -> int:
    """Abort every open upload under `prefix`, known to a row or not. Return how many there were."""
    dropped: set[tuple[str, str]] = set()
    while True:
        with translated():
            answer = client().list_multipart_uploads(Bucket=settings.bucket, Prefix=prefix, MaxUploads=S3_PAGE)
        open_uploads = {(upload["Key"], upload["UploadId"]) for upload in answer.get("Uploads", [])}
        # S3 may list a dropped upload a moment longer when a part was on its way; the next sweep sees to it.
        if not open_uploads - dropped:
            return len(dropped)
        for key, upload_id in open_uploads - dropped:
            abort(key, upload_id)
        dropped |= open_uploads
