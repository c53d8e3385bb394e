"""Image uploads: what is asked and what is answered."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, EmailStr, Field, StringConstraints

from inlet.messages import Model, Timestamp

EXTENSION_OF = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/heic": "heic"}
"""The image types taken in, and the extension each gets in its key."""

type Sha256 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]


def _without_a_name(email: object) -> object:
    """Refuse `Ada <ada@example.com>`, of which pydantic would quietly keep the address."""
    if isinstance(email, str) and "<" in email:
        raise ValueError("value is not a valid email address: it must be the address alone")
    return email


class UploadRequest(Model):
    """What a client declares before it may upload. `size` is in bytes, `sha256` base64."""

    email: Annotated[EmailStr, BeforeValidator(_without_a_name), Field(max_length=254)]
    type: Annotated[str, Field(max_length=100, examples=list(EXTENSION_OF))]
    size: Annotated[int, Field(strict=True, ge=1)] | None = None
    sha256: Sha256 | None = None


class ReservedUpload(Model):
    """Where to PUT the file, with which headers, until when; and the token that owns the job from now on."""

    upload_url: str
    upload_id: str
    key: str
    expires_at: Timestamp
    session_token: str
    headers: dict[str, str]


class ConfirmedUpload(Model):
    """The bytes are there and pinned."""

    success: Literal[True] = True
    job_id: str
    status: Literal["pending"] = "pending"


class ProcessRequest(Model):
    """Which upload to process."""

    upload_id: Annotated[str, Field(min_length=1, max_length=64)]


class StartedJob(Model):
    """The workflow has the job."""

    success: Literal[True] = True
    job_id: str
    status: Literal["processing"] = "processing"
    workflow_run_id: str


class Result(Model):
    """A finished picture's preview: a presigned URL, its end, and the preview's size in pixels."""

    success: Literal[True] = True
    result_id: str
    preview_url: str
    expires_at: Timestamp
    width: int
    height: int
