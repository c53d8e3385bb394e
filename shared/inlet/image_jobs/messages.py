"""Requests and replies of image jobs."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, EmailStr, Field

from inlet.image_jobs.rows import EXTENSION_OF
from inlet.messages import Model, Sha256, Timestamp


def _without_a_name(email: object) -> object:
    """Refuse `Ada <ada@example.com>`, of which pydantic would quietly keep the address."""
    if isinstance(email, str) and "<" in email:
        raise ValueError("value is not a valid email address: it must be the address alone")
    return email


class UploadRequest(Model):
    """The image a client is about to upload. `size` is in bytes, `sha256` base64."""

    email: Annotated[EmailStr, BeforeValidator(_without_a_name), Field(max_length=254)]
    type: Annotated[str, Field(max_length=100, examples=list(EXTENSION_OF))]
    size: Annotated[int, Field(strict=True, ge=1)] | None = None
    sha256: Sha256 | None = None


class ReservedUpload(Model):
    """Where to PUT the file, with which headers and until when, and the token that owns the job from now on."""

    upload_url: str
    upload_id: str
    key: str
    expires_at: Timestamp
    session_token: str
    headers: dict[str, str]


class ConfirmedUpload(Model):
    """A verified upload. `jobId` equals the upload's id."""

    success: Literal[True] = True
    job_id: str
    status: Literal["pending"] = "pending"


class ProcessRequest(Model):
    """The upload to process."""

    upload_id: Annotated[str, Field(min_length=1, max_length=64)]


class StartedJob(Model):
    """A job that the workflow runs. `workflowRunId` is the execution's ARN."""

    success: Literal[True] = True
    job_id: str
    status: Literal["processing"] = "processing"
    workflow_run_id: str


class Result(Model):
    """A finished picture: presigned URLs, when they expire, and the preview's size in pixels.

    `fullUrl` is null until the full-size picture is released. `deletesAt` is there when a time is set to delete it all.
    """

    success: Literal[True] = True
    result_id: str
    preview_url: str
    full_url: str | None
    expires_at: Timestamp
    width: int
    height: int
    deletes_at: Annotated[Timestamp | None, Field(exclude_if=lambda moment: moment is None)] = None
