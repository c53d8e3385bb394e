"""A client of upload sessions, as plain as one can be, and the files it sends."""

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from tests.support.stacks import Rows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SESSIONS = "/api/mocs/uploads/sessions"
MB = 1024 * 1024
PART = 5 * MB
MISSING = {"error": "Upload session not found.", "code": "NOT_FOUND"}


@dataclass(frozen=True)
class File:
    """A file to send: content, and what is declared of it."""

    content: bytes
    category: str = "instruction"
    filename: str = "manual.pdf"
    mime_type: str = "application/pdf"
    sha256: str | None = None
    size: int = field(default=-1)

    @property
    def declared(self) -> dict[str, Any]:
        """As the API takes it."""
        size = len(self.content) if self.size < 0 else self.size
        declared = {"category": self.category, "filename": self.filename, "mimeType": self.mime_type, "size": size}
        return declared if self.sha256 is None else declared | {"sha256": self.sha256}

    def part(self, number: int, part_bytes: int = PART) -> bytes:
        """The content of one part."""
        return self.content[(number - 1) * part_bytes : number * part_bytes]


def digest(content: bytes) -> str:
    """SHA-256 as the API writes it."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def pdf(size: int = 1000, **about: Any) -> File:
    """A PDF by its first bytes, and noise."""
    beginning = b"%PDF-1.7\n"
    return File(beginning + os.urandom(max(0, size - len(beginning))), **about)


def png(size: int = 500, **about: Any) -> File:
    """A PNG by its first bytes."""
    content = b"\x89PNG\r\n\x1a\n" + os.urandom(size - 8)
    return File(content, **({"category": "image", "filename": "cover.png", "mime_type": "image/png"} | about))


def parts_list(**about: Any) -> File:
    """A small JSON file."""
    content = json.dumps([{"part": 3001, "count": 4}]).encode()
    return File(
        content, **({"category": "parts-list", "filename": "parts.json", "mime_type": "application/json"} | about)
    )


@dataclass
class Session:
    """One session over HTTP; every method is one call, and answers the response as it came."""

    http: httpx.Client
    id: str

    @property
    def path(self) -> str:
        return f"{SESSIONS}/{self.id}"

    def read(self) -> httpx.Response:
        return self.http.get(self.path)

    def register(self, file: File) -> httpx.Response:
        return self.http.post(f"{self.path}/files", json=file.declared)

    def register_batch(self, *files: File) -> httpx.Response:
        return self.http.post(f"{self.path}/files/batch", json={"files": [file.declared for file in files]})

    def parts(self, file_id: str, **query: int) -> httpx.Response:
        return self.http.get(f"{self.path}/files/{file_id}/parts", params=query)

    def complete(self, file_id: str, etags: dict[int, str]) -> httpx.Response:
        parts = [{"partNumber": number, "etag": etag} for number, etag in etags.items()]
        return self.http.post(f"{self.path}/files/{file_id}/complete", json={"parts": parts})

    def complete_files(self, files: Sequence[tuple[str, dict[int, str]]]) -> httpx.Response:
        return self.http.post(f"{self.path}/files/complete", json=to_complete(files))

    def finalize(self, files: Sequence[tuple[str, dict[int, str]]] = (), *, key: str | None = None) -> httpx.Response:
        """Without files, without a body."""
        headers = {"Idempotency-Key": key} if key else {}
        return self.http.post(f"{self.path}/finalize", json=to_complete(files) if files else None, headers=headers)

    def abort(self) -> httpx.Response:
        return self.http.delete(self.path)

    def send(self, file: File) -> dict[str, Any]:
        """Register a file, PUT its parts, complete it; the answer's body."""
        registered = self.register(file).raise_for_status().json()
        etags = put_parts(registered["parts"], file)
        completed: dict[str, Any] = self.complete(registered["fileId"], etags).raise_for_status().json()
        return completed


def to_complete(files: Sequence[tuple[str, dict[int, str]]]) -> dict[str, Any]:
    """A body that names files with the ETags of their parts."""
    return {
        "files": [
            {"fileId": file_id, "parts": [{"partNumber": number, "etag": etag} for number, etag in etags.items()]}
            for file_id, etags in files
        ]
    }


def create(http: httpx.Client, *files: File) -> Session:
    """A session with these files declared."""
    response = declare(http, *files).raise_for_status()
    return Session(http, response.json()["sessionId"])


def declare(http: httpx.Client, *files: File, **headers: str) -> httpx.Response:
    """POST …/sessions."""
    return http.post(SESSIONS, json={"files": [file.declared for file in files]}, headers=headers)


def put_parts(parts: list[dict[str, Any]], file: File, part_bytes: int = PART) -> dict[int, str]:
    """PUT these parts; their ETags as the bucket gave them, in quotes, by number."""
    return {part["partNumber"]: put_part(part["url"], file.part(part["partNumber"], part_bytes)) for part in parts}


def put_part(url: str, content: bytes) -> str:
    """PUT one part; its ETag."""
    return httpx.put(url, content=content, timeout=30).raise_for_status().headers["etag"]


class Bucket:
    """Looks at what the bucket has of one session."""

    def __init__(self, storage: "S3Client", name: str) -> None:
        self._storage = storage
        self._name = name

    def uploads(self, session: Session) -> list[str]:
        listed = self._storage.list_multipart_uploads(Bucket=self._name, Prefix=f"files/{session.id}/")
        return [upload["UploadId"] for upload in listed.get("Uploads", [])]

    def objects(self, session: Session) -> list[str]:
        listed = self._storage.list_objects_v2(Bucket=self._name, Prefix=f"files/{session.id}/")
        return [stored["Key"] for stored in listed.get("Contents", [])]

    def content(self, key: str) -> bytes:
        return self._storage.get_object(Bucket=self._name, Key=key)["Body"].read()

    def put(self, key: str, content: bytes) -> None:
        self._storage.put_object(Bucket=self._name, Key=key, Body=content)


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Return the details of an error answer in the family's envelope."""
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert body["error"]
    details: dict[str, Any] = body.get("details", {})
    return details


def session_row(rows: Rows, session: Session) -> dict[str, Any]:
    row = rows.execute("SELECT * FROM upload_sessions WHERE id = %s", (session.id,)).fetchone()
    assert row is not None
    return row


def file_rows(rows: Rows, session: Session) -> list[dict[str, Any]]:
    statement = "SELECT * FROM upload_session_files WHERE session_id = %s ORDER BY position"
    return rows.execute(statement, (session.id,)).fetchall()


def expire(rows: Rows, session: Session) -> None:
    rows.execute("UPDATE upload_sessions SET expires_at = now() - interval '1 second' WHERE id = %s", (session.id,))


def give_away(rows: Rows, session: Session) -> None:
    rows.execute("UPDATE upload_sessions SET user_id = 'somebody else' WHERE id = %s", (session.id,))


def events(rows: Rows, session: Session) -> list[tuple[str, dict[str, Any], str]]:
    statement = "SELECT * FROM outbox_events WHERE properties ->> 'session_id' = %s ORDER BY occurred_at"
    found = rows.execute(statement, (session.id,)).fetchall()
    return [(row["name"], row["properties"], row["distinct_id"]) for row in found]
