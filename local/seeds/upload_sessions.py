"""Upload sessions: two with fixed ids, one expired, one of somebody else; and three of the local user to go on with."""

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inlet import identifiers, keys

if TYPE_CHECKING:
    import psycopg
    from mypy_boto3_s3 import S3Client

DEV_USER = "dev-user-00000000-0000-0000-0000-000000000001"
OTHER_USER = "other-user-99999999-9999-9999-9999-999999999999"
EXPIRED_SESSION = "eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee"
FOREIGN_SESSION = "dddddddd-dddd-dddd-dddd-dddddddddddd"
OPEN_SESSION = "55555555-5555-4555-8555-555555555555"
UPLOADED_SESSION = "66666666-6666-4666-8666-666666666666"
UNWANTED_SESSION = "77777777-7777-4777-8777-777777777777"
SENT_FILE = "11111111-1111-4111-8111-111111111111"

PART_BYTES = 5 * 1024 * 1024
CONTENT = b"%PDF-1.4\n%%EOF\n"
COMPANION_TOKEN = base64.urlsafe_b64encode(hashlib.sha256(b"seed companion").digest()).rstrip(b"=").decode()


@dataclass(frozen=True)
class SeededFile:
    """A declared PDF; with an id, registered: its one part is in the bucket, or assembled."""

    filename: str
    id: str | None = None
    assembled: bool = False


SESSIONS: dict[str, list[SeededFile]] = {
    EXPIRED_SESSION: [],
    FOREIGN_SESSION: [],
    OPEN_SESSION: [
        SeededFile("castle.pdf"),
        SeededFile("ship.pdf"),
        SeededFile("sent.pdf", SENT_FILE),
        SeededFile("half.pdf", "88888888-8888-4888-8888-888888888888"),
    ],
    UPLOADED_SESSION: [SeededFile("train.pdf", "99999999-9999-4999-8999-999999999999", assembled=True)],
    UNWANTED_SESSION: [SeededFile("garage.pdf", "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa")],
}

_SESSION = """
INSERT INTO upload_sessions
       (id, user_id, status, part_size_bytes, companion_token_hash, created_at, ended_at, expires_at)
VALUES (%(id)s, %(user)s, %(status)s, %(part_bytes)s, %(token_hash)s, now() - %(age)s::interval,
        CASE WHEN %(status)s = 'expired' THEN now() END, now() + %(lifetime)s::interval)
"""

_DECLARATION = """
INSERT INTO upload_session_declarations (session_id, position, user_id, category, filename, mime_type, size)
VALUES (%(session)s, %(position)s, %(user)s, 'instruction', %(filename)s, 'application/pdf', %(size)s)
"""

_FILE = """
INSERT INTO upload_session_files (id, session_id, position, key, multipart_upload_id, status, etag, completed_at)
VALUES (%(id)s, %(session)s, %(position)s, %(key)s, %(upload_id)s, %(status)s, %(etag)s,
        CASE WHEN %(etag)s::text IS NOT NULL THEN now() END)
"""


def seed(connection: "psycopg.Connection[Any]", storage: "S3Client", bucket: str) -> None:
    """Put every session back to where it was, rows and bucket."""
    for session_id, files in SESSIONS.items():
        _empty(storage, bucket, keys.session_files(session_id))
        _put_session(connection, session_id)
        for position, file in enumerate(files):
            _put_file(connection, storage, bucket, session_id, position, file)


def _empty(storage: "S3Client", bucket: str, prefix: str) -> None:
    for upload in storage.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", []):
        storage.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    for stored in storage.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []):
        storage.delete_object(Bucket=bucket, Key=stored["Key"])


def _put_session(connection: "psycopg.Connection[Any]", session_id: str) -> None:
    expired, foreign = session_id == EXPIRED_SESSION, session_id == FOREIGN_SESSION
    row = {
        "id": session_id,
        "user": OTHER_USER if foreign else DEV_USER,
        "status": "expired" if expired else "active",
        "part_bytes": PART_BYTES,
        "token_hash": identifiers.token_hash(COMPANION_TOKEN) if session_id == OPEN_SESSION else None,
        "age": "2 hours" if expired else "0",
        "lifetime": "-1 hour" if expired else "1 day",
    }
    connection.execute("DELETE FROM upload_sessions WHERE id = %(id)s", row)
    connection.execute(_SESSION, row)


def _put_file(
    connection: "psycopg.Connection[Any]",
    storage: "S3Client",
    bucket: str,
    session_id: str,
    position: int,
    file: SeededFile,
) -> None:
    row: dict[str, Any] = {
        "session": session_id,
        "position": position,
        "user": DEV_USER,
        "filename": file.filename,
        "size": len(CONTENT),
    }
    connection.execute(_DECLARATION, row)
    if file.id is None:
        return
    key = keys.session_file(session_id, file.id)
    upload_id = storage.create_multipart_upload(Bucket=bucket, Key=key, ContentType="application/pdf")["UploadId"]
    part = storage.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=1, Body=CONTENT)
    etag = None
    if file.assembled:
        parts: Any = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        assembled = storage.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload=parts)
        etag = assembled["ETag"].strip('"')
    status = "completed" if file.assembled else "registered"
    connection.execute(_FILE, row | {"id": file.id, "key": key, "upload_id": upload_id, "status": status, "etag": etag})
