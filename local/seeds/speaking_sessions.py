"""Speaking sessions of the local user: one that is finished, one announced with its recording there, one to delete."""

import io
import math
import struct
import wave
from typing import TYPE_CHECKING, Any

from inlet import keys
from local.seeds.upload_sessions import DEV_USER

if TYPE_CHECKING:
    import psycopg
    from mypy_boto3_s3 import S3Client

FINISHED = "22222222-2222-4222-8222-222222222222"
ANNOUNCED = "33333333-3333-4333-8333-333333333333"
UNWANTED = "44444444-4444-4444-8444-444444444444"
STATUSES = {FINISHED: "COMPLETED", ANNOUNCED: "CREATED", UNWANTED: "UPLOADED"}

_USER = """
INSERT INTO users (external_id, email, display_name) VALUES (%s, 'dev@example.com', 'Dev User')
ON CONFLICT (external_id) DO UPDATE SET updated_at = now() RETURNING id::text
"""

_SESSION = """
INSERT INTO speaking_sessions (id, user_id, status, duration_secs, topic, audio_key, content_type, size)
VALUES (%(id)s, %(user_id)s, %(status)s, 2, 'My holidays', %(key)s, 'audio/wav', %(size)s)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, size = excluded.size, created_at = now(), updated_at = now()
"""

_TRANSCRIPT = """
INSERT INTO transcripts (session_id, text, language, segments)
VALUES (%s, 'Last summer we go to the sea.', 'en',
        '[{"startSecs": 0, "endSecs": 2, "text": "Last summer we go to the sea."}]')
ON CONFLICT (session_id) DO NOTHING
"""

_INSIGHTS = """
INSERT INTO insights (session_id, category, severity, message, suggestion)
VALUES (%(id)s, 'pace', 'low', 'You speak calmly.', NULL),
       (%(id)s, 'grammar', 'high', 'The past tense is missing.', 'Last summer we went to the sea.')
"""


def seed(connection: "psycopg.Connection[Any]", storage: "S3Client", bucket: str) -> None:
    """Put the sessions back, each with its recording."""
    recording = tone()
    user = connection.execute(_USER, (DEV_USER,)).fetchone()
    assert user is not None  # noqa: S101 - an upsert that always writes always returns its row
    for session_id, status in STATUSES.items():
        key = keys.recording(user[0], session_id, "wav")
        storage.put_object(Bucket=bucket, Key=key, Body=recording, ContentType="audio/wav")
        row = {"id": session_id, "user_id": user[0], "status": status, "key": key, "size": len(recording)}
        connection.execute(_SESSION, row)
    connection.execute(_TRANSCRIPT, (FINISHED,))
    connection.execute("DELETE FROM insights WHERE session_id = %s", (FINISHED,))
    connection.execute(_INSIGHTS, {"id": FINISHED})


def tone(seconds: int = 2) -> bytes:
    """Return a WAV file with the note A."""
    rate = 16_000
    samples = (int(12_000 * math.sin(2 * math.pi * 440 * position / rate)) for position in range(rate * seconds))
    output = io.BytesIO()
    with wave.open(output, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return output.getvalue()
