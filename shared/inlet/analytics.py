"""Analytics events: their names, their properties, and whom they are about.

Table modules write them to the outbox; no request sends one. Properties are snake_case. No e-mail address, token or URL
is among them. `distinct_id` is the upload's id, or a hash of the user's `sub`. The UUID is derived from what the event
reports: recorded or delivered twice, it is one event.
"""

from dataclasses import dataclass
from typing import Any

from inlet.identifiers import event_uuid, user_hash


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the outbox."""

    uuid: str
    name: str
    distinct_id: str
    properties: dict[str, Any]


def upload_started(upload_id: str) -> Event:
    """Return the event of a reserved upload."""
    return _of_upload("upload_started", upload_id)


def session_created(upload_id: str) -> Event:
    """Return the event of a job token issued for an upload."""
    return _of_upload("session_created", upload_id)


def upload_confirmed(upload_id: str, *, file_size: int, file_type: str) -> Event:
    """Return the event of a verified upload. `file_size` is in bytes."""
    return _of_upload("upload_confirmed", upload_id, file_size=file_size, file_type=file_type)


def processing_started(upload_id: str, *, workflow_run_id: str) -> Event:
    """Return the event of a job handed to the workflow for the first time."""
    return _of_upload("processing_started", upload_id, workflow_run_id=workflow_run_id)


def status_complete(upload_id: str, *, result_id: str) -> Event:
    """Return the event of a completed job. The database adds `total_duration_ms`."""
    return _of_upload("status_complete", upload_id, result_id=result_id)


def status_failed(upload_id: str) -> Event:
    """Return the event of a job's first failure. The database adds `final_stage` and `final_progress`."""
    return _of_upload("status_failed", upload_id)


def result_released(upload_id: str, *, result_id: str) -> Event:
    """Return the event of a full-size result given to its sender."""
    return _of_upload("result_released", upload_id, result_id=result_id)


def upload_deleted(upload_id: str, *, reason: str) -> Event:
    """Return the event of a deleted job: by its `owner`, or since its `retention` was over."""
    return _of_upload("upload_deleted", upload_id, reason=reason)


def upload_session_created(session_id: str, sub: str, *, file_count: int, total_bytes: int) -> Event:
    """Return the event of a new upload session."""
    return _of_session("upload_session_created", session_id, sub, file_count=file_count, total_bytes=total_bytes)


def upload_session_file_completed(
    session_id: str, sub: str, file_id: str, *, category: str, file_size: int, file_type: str
) -> Event:
    """Return the event of a completed file. `file_size` is in bytes, `file_type` as declared."""
    properties = {"file_id": file_id, "category": category, "file_size": file_size, "file_type": file_type}
    return _of_session("upload_session_file_completed", session_id, sub, occasion=file_id, **properties)


def upload_session_completed(session_id: str, sub: str, *, file_count: int) -> Event:
    """Return the event of a finalized session. The database adds `duration_ms`."""
    return _of_session("upload_session_completed", session_id, sub, file_count=file_count)


def upload_session_expired(session_id: str, sub: str) -> Event:
    """Return the event of a session that passed its deadline."""
    return _of_session("upload_session_expired", session_id, sub)


def upload_session_failed(session_id: str, sub: str, *, reason: str, occasion: str = "") -> Event:
    """Return the event of a session aborted, or holding files not as declared. `occasion` tells its failures apart."""
    return _of_session("upload_session_failed", session_id, sub, occasion=f"{reason} {occasion}", reason=reason)


def _of_upload(name: str, upload_id: str, **properties: Any) -> Event:
    return Event(event_uuid(name, upload_id), name, upload_id, {"upload_id": upload_id} | properties)


def _of_session(name: str, session_id: str, sub: str, *, occasion: str = "", **properties: Any) -> Event:
    uuid = event_uuid(name, f"{session_id} {occasion}".rstrip())
    return Event(uuid, name, user_hash(sub), {"session_id": session_id} | properties)
