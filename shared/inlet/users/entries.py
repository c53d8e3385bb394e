"""What an export tells of one upload session, or of one recording: all that its user sent, or was told."""

from datetime import datetime
from typing import Any, TypedDict

from inlet import downloads, storage
from inlet.speaking_sessions import messages
from inlet.speaking_sessions.messages import RecordingExported
from inlet.speaking_sessions.rows import SpeakingSessionDetail
from inlet.times import iso_utc
from inlet.upload_sessions.lists_table import RecordedUploadSession

LINK_SECONDS = 60 * 60
"""How long the links of an export are valid: time enough to download what they lead to."""


class ExportedFile(TypedDict):
    """A declared file. `fileUrl` is presigned, and null until the file is complete."""

    index: int
    category: str
    filename: str
    mimeType: str
    size: int
    sha256: str | None
    fileId: str | None
    status: str | None
    etag: str | None
    registeredAt: str | None
    completedAt: str | None
    verifiedAt: str | None
    verifiedBytes: int
    fileUrl: str | None


class ExportedUploadSession(TypedDict):
    """An upload session with its files."""

    sessionId: str
    status: str
    revision: int
    partSizeBytes: int
    failureReason: str | None
    createdAt: str
    updatedAt: str
    endedAt: str | None
    expiresAt: str
    deletesAt: str | None
    files: list[ExportedFile]


def entry(row: RecordedUploadSession | SpeakingSessionDetail) -> ExportedUploadSession | RecordingExported:
    """Return what an export tells of a row."""
    return _recording(row) if isinstance(row, SpeakingSessionDetail) else _upload_session(row)


def _upload_session(row: RecordedUploadSession) -> ExportedUploadSession:
    return {
        "sessionId": row.id,
        "status": row.state,
        "revision": row.revision,
        "partSizeBytes": row.part_size_bytes,
        "failureReason": row.failure_reason,
        "createdAt": iso_utc(row.created_at),
        "updatedAt": iso_utc(row.updated_at),
        "endedAt": _time(row.ended_at),
        "expiresAt": iso_utc(row.expires_at),
        "deletesAt": _time(row.deletes_at),
        "files": [_file(file) for file in row.files],
    }


def _recording(session: SpeakingSessionDetail) -> RecordingExported:
    audio = storage.presign_get(
        session.key, download_name=session.download_name, content_type=session.content_type, seconds=LINK_SECONDS
    )
    return {
        **messages.listed(session),
        "contentType": session.content_type,
        "size": session.size,
        "transcript": messages.transcript(session.transcript) if session.transcript else None,
        "metrics": messages.metrics(session),
        "insights": [messages.insight(row) for row in session.insights],
        "audioUrl": None if session.status == "CREATED" else audio.url,
    }


def _file(row: dict[str, Any]) -> ExportedFile:
    """Return a file of the JSON that the database makes; its key becomes a link."""
    key = row.pop("key")
    times = {
        name: _time(datetime.fromisoformat(row[name]) if row[name] else None)
        for name in ("registeredAt", "completedAt", "verifiedAt")
    }
    url = downloads.url(key, row["filename"], seconds=LINK_SECONDS) if key else None
    file: ExportedFile = {**row, **times, "fileUrl": url}  # type: ignore[typeddict-item]
    return file


def _time(moment: datetime | None) -> str | None:
    return iso_utc(moment) if moment else None
