"""Requests and replies of upload sessions."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from inlet.messages import Model, Sha256, Timestamp
from inlet.upload_sessions.rows import Declared, SessionStatus
from inlet.upload_sessions.rules import RULES

Absent = Field(exclude_if=lambda value: value is None)
"""Left out of an answer rather than null."""


class DeclaredFile(Model):
    """A file as it is declared, and again as it is registered. `size` is in bytes, `sha256` base64."""

    category: Literal["instruction", "image", "parts-list"]
    filename: Annotated[str, Field(min_length=1, max_length=255)]
    mime_type: Annotated[str, Field(min_length=1, max_length=100)]
    size: Annotated[int, Field(strict=True, ge=1, le=2**53)]
    sha256: Sha256 | None = None

    @property
    def declared(self) -> Declared:
        """The same without pydantic."""
        return Declared(self.category, self.filename, self.mime_type, self.size, self.sha256)


type DeclaredFiles = Annotated[list[DeclaredFile], Field(min_length=1, max_length=RULES.max_files)]


class SessionRequest(Model):
    """All the files that a session may hold. The first `registerFirst` that need sending are registered at once."""

    files: DeclaredFiles
    register_first: Annotated[int, Field(strict=True, ge=0, le=RULES.registered_at_once)] = 0


class BatchRequest(Model):
    """Files to register in one request."""

    files: DeclaredFiles


class Duplicate(Model):
    """The declared file at `index` equals this file, which the user sent before. It need not be sent again."""

    index: int
    file_id: str
    file_url: str


class PartUrl(Model):
    """Where to PUT a part. Part `n` begins at byte `(n - 1) × partSizeBytes`."""

    part_number: int
    url: str
    size: int


class RegisteredFile(Model):
    """A registered file: PUT every part, then complete it. `GET …/parts` signs the parts beyond the first 100."""

    file_id: str
    upload_id: str
    parts: list[PartUrl]


class BatchError(Model):
    """Why a file of a batch was refused, as it would have been alone."""

    error: str
    code: str
    details: Annotated[dict[str, Any] | None, Absent] = None


class BatchResult(Model):
    """The answer that registering the file at `index` alone would have had."""

    index: int
    status: int
    file: Annotated[RegisteredFile | None, Absent] = None
    error: Annotated[BatchError | None, Absent] = None


class BatchResults(Model):
    """One result a file, in order."""

    results: list[BatchResult]


class CreatedSession(Model):
    """A new session: where to register files, in which parts to send them, and until when."""

    session_id: str
    part_size_bytes: int
    expires_at: Timestamp
    duplicates: list[Duplicate]
    live_url: Annotated[
        str | None,
        Field(
            description="A WebSocket that tells every change. It opens once, within a minute.",
            exclude_if=lambda value: value is None,
        ),
    ] = None
    companion_path: Annotated[
        str,
        Field(description="`companionEndpoint` for stock Uppy. Secret: it opens this one session without signing in."),
    ]
    files: Annotated[
        list[BatchResult] | None,
        Field(
            description="One result for each file that `registerFirst` asked for, by its place in the declaration.",
            exclude_if=lambda value: value is None,
        ),
    ] = None


class PartState(PartUrl):
    """Where to PUT a part, and whether the bucket has it already."""

    uploaded: bool
    etag: Annotated[str | None, Absent] = None


class PartList(Model):
    """Parts in order. Fewer than `limit` are the last ones."""

    parts: list[PartState]


class CompletedPart(Model):
    """A part as the bucket answered its PUT. The ETag is with or without quotes."""

    part_number: Annotated[int, Field(strict=True, ge=1, le=RULES.max_parts)]
    etag: Annotated[str, Field(max_length=200)]


class CompleteRequest(Model):
    """All parts of the file, in any order."""

    parts: Annotated[list[CompletedPart], Field(min_length=1, max_length=RULES.max_parts)]

    @property
    def numbered(self) -> list[tuple[int, str]]:
        """The same without pydantic."""
        return [(part.part_number, part.etag) for part in self.parts]


class CompletedFile(Model):
    """A completed file. `fileUrl` is valid 15 minutes; `GET /api/mocs/uploads/sessions/{sessionId}` has a fresh one."""

    file_id: str
    file_url: str


class FileToComplete(CompleteRequest):
    """A registered file, and all its parts in any order."""

    file_id: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(str.lower)]


def _each_once(files: list[FileToComplete]) -> list[FileToComplete]:
    if len({file.file_id for file in files}) < len(files):
        raise ValueError("Name each file once.")
    return files


type FilesToComplete = Annotated[list[FileToComplete], Field(max_length=RULES.max_files), AfterValidator(_each_once)]


class CompleteFilesRequest(Model):
    """Files to complete in one request, each named once."""

    files: Annotated[FilesToComplete, Field(min_length=1)]


class FinalizeRequest(Model):
    """The files that are not completed yet, each named once: finalizing completes them first."""

    files: Annotated[FilesToComplete, Field(default_factory=list)]


class CompletionResult(Model):
    """The answer that completing the file at `index` alone would have had."""

    index: int
    status: int
    file: Annotated[CompletedFile | None, Absent] = None
    error: Annotated[BatchError | None, Absent] = None


class CompletionResults(Model):
    """One result a file, in order."""

    results: list[CompletionResult]


class FileState(Model):
    """A declared file and how far it is. `fileId` is null until it is registered (or skipped as a duplicate)."""

    index: int
    file_id: str | None
    category: str
    filename: str
    mime_type: str
    size: int
    sha256: Annotated[str | None, Absent] = None
    status: Literal["declared", "registered", "completed", "duplicate"]
    verified_bytes: int
    file_url: str | None


class Progress(Model):
    """How much of the session has arrived. Bytes of a file in flight are those that the last `GET …/parts` saw."""

    files_completed: int
    files_total: int
    bytes_uploaded: int
    bytes_total: int


class SessionState(Model):
    """A session, its files and its progress. Every change raises `revision`."""

    session_id: str
    status: SessionStatus
    revision: int
    part_size_bytes: int
    created_at: Timestamp
    expires_at: Timestamp
    deletes_at: Annotated[Timestamp | None, Absent] = None
    progress: Progress
    files: list[FileState]


class ListedSession(Model):
    """A session in a list. `bytes` is what its files were declared to have in all. Every change raises `revision`."""

    session_id: str
    status: SessionStatus
    revision: int
    file_count: int
    bytes: int
    created_at: Timestamp
    expires_at: Timestamp
    deletes_at: Annotated[Timestamp | None, Absent] = None


class SessionPage(Model):
    """A page of a user's sessions, newest first; `total` counts all pages."""

    sessions: list[ListedSession]
    total: int
    page: int
    limit: int


class FinalizedFile(Model):
    """A file whose content is what was declared."""

    index: int
    file_id: str
    file_url: str
    category: str
    filename: str
    mime_type: str
    size: int


class FinalizedSession(Model):
    """All files arrived and were looked into."""

    session_id: str
    status: Literal["completed"] = "completed"
    deletes_at: Annotated[Timestamp | None, Absent] = None
    files: list[FinalizedFile]
