"""Requests and replies of Companion's S3 routes, as stock Uppy speaks them."""

from typing import Annotated

from pydantic import Field

from inlet.messages import Model
from inlet.upload_sessions.rules import RULES


class MultipartRequest(Model):
    """A file that Uppy is about to send. Its `metadata` is ignored."""

    filename: Annotated[str, Field(min_length=1, max_length=255)]
    type: Annotated[str, Field(max_length=100)] = ""


class MultipartUpload(Model):
    """An opened upload. Both values mean nothing to Uppy; `uploadId` is the file's id."""

    key: str
    upload_id: str


class SignedPart(Model):
    """Where to PUT a part, and for how many seconds the URL is valid."""

    url: str
    expires: int


class ListedPart(Model):
    """A part that the bucket has."""

    part_number: Annotated[int, Field(alias="PartNumber")]
    size: Annotated[int, Field(alias="Size")]
    etag: Annotated[str, Field(alias="ETag")]


class SentPart(Model):
    """A part as the bucket answered Uppy's PUT."""

    part_number: Annotated[int, Field(alias="PartNumber", strict=True, ge=1, le=RULES.max_parts)]
    etag: Annotated[str, Field(alias="ETag", max_length=200)]


class MultipartCompletion(Model):
    """All parts of the file."""

    parts: Annotated[list[SentPart], Field(min_length=1, max_length=RULES.max_parts)]


class CompletedUpload(Model):
    """A completed file. `location` is valid 15 minutes."""

    location: str
    key: str
