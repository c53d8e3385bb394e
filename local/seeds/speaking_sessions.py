"""Speaking sessions of the local user: one that is analysed, one announced with its recording there, one to delete, one
whose analysis failed, and one before each stage of the analysis.
"""

import io
import json
import math
import struct
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inlet import keys
from inlet.speaking_sessions.speech import documents, listening, numbers
from inlet.speaking_sessions.speech.documents import Findings, Transcript
from inlet.speaking_sessions.speech.numbers import Interval, Sound
from inlet.speaking_sessions.speech.words import Word
from local.seeds.image_jobs import FAR
from local.seeds.upload_sessions import DEV_USER

if TYPE_CHECKING:
    import psycopg
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class SeededRecording:
    """A session halted where a client or a stage would go on. `progress` also tells what lies between the stages."""

    session_id: str
    status: str
    stage: str | None = None
    progress: int = 0
    attempt: int = 0

    @property
    def is_under_way(self) -> bool:
        """Whether the sweeper would go on with it."""
        return self.attempt > 0 and self.status in ("UPLOADED", "PROCESSING")


FINISHED = "22222222-2222-4222-8222-222222222222"
RECORDINGS = [
    SeededRecording(FINISHED, "COMPLETED", "complete", 100, attempt=1),
    SeededRecording("33333333-3333-4333-8333-333333333333", "CREATED"),
    SeededRecording("44444444-4444-4444-8444-444444444444", "UPLOADED"),  # to delete
    SeededRecording("66666666-6666-4666-8666-666666666661", "UPLOADED", attempt=1),
    SeededRecording("66666666-6666-4666-8666-666666666662", "PROCESSING", "preparing", 10, attempt=1),
    SeededRecording("66666666-6666-4666-8666-666666666663", "PROCESSING", "transcribing", 60, attempt=1),
    SeededRecording("66666666-6666-4666-8666-666666666664", "PROCESSING", "analysing", 80, attempt=1),
    SeededRecording("66666666-6666-4666-8666-666666666665", "PROCESSING", "preparing", 10, attempt=1),  # to fail
    SeededRecording("77777777-7777-4777-8777-777777777777", "FAILED", "failed", 30, attempt=1),
]

_SPOKEN = "Last summer we go to the sea."
_SOUND = Sound(total_secs=2.0, speech=[Interval(0.1, 1.9)], loudness_db=-18.5, clipped_share=0.0)
_TRANSCRIPT = Transcript(
    "local",
    "en",
    [Word(word, 0.1 + 0.25 * place, 0.3 + 0.25 * place) for place, word in enumerate(_SPOKEN.split())],
)

_USER = """
INSERT INTO users (external_id, email, display_name) VALUES (%s, 'dev@example.com', 'Dev User')
ON CONFLICT (external_id) DO UPDATE SET updated_at = now() RETURNING id::text
"""

_SESSION = """
INSERT INTO speaking_sessions (id, user_id, status, duration_secs, topic, audio_key, content_type, size, stage,
                               progress, attempt, error_message, metrics)
VALUES (%(id)s, %(user_id)s, %(status)s, 2, 'My holidays', %(key)s, 'audio/wav', %(size)s, %(stage)s, %(progress)s,
        %(attempt)s, CASE WHEN %(status)s = 'FAILED' THEN 'The analysis failed. Please try again.' END, %(metrics)s)
"""

_TOLD = """
INSERT INTO transcripts (session_id, text, language, engine, segments)
VALUES (%(id)s, %(text)s, %(language)s, %(engine)s, %(segments)s)
"""

_INSIGHTS = """
INSERT INTO insights (session_id, category, severity, message, suggestion, start_secs)
VALUES (%(id)s, 'pace', 'low', 'You speak calmly.', NULL, NULL),
       (%(id)s, 'grammar', 'high', 'The past tense is missing.', 'Last summer we went to the sea.', 0.6)
"""


def seed(connection: "psycopg.Connection[Any]", storage: "S3Client", bucket: str) -> None:
    """Put the sessions back, each with its recording and what its stages have left."""
    recording = tone()
    user = connection.execute(_USER, (DEV_USER,)).fetchone()
    assert user is not None  # noqa: S101 - an upsert that always writes always returns its row
    metrics = numbers.measure(_SOUND, _TRANSCRIPT.text, "en")
    for one in RECORDINGS:
        key = keys.recording(user[0], one.session_id, "wav")
        storage.put_object(Bucket=bucket, Key=key, Body=recording, ContentType="audio/wav")
        row = {
            "id": one.session_id,
            "user_id": user[0],
            "status": one.status,
            "key": key,
            "size": len(recording),
            "stage": one.stage,
            "progress": one.progress,
            "attempt": one.attempt,
            "metrics": json.dumps(metrics) if one.status == "COMPLETED" else None,
        }
        connection.execute("DELETE FROM speaking_sessions WHERE id = %s", (one.session_id,))
        connection.execute(_SESSION, row)
        if one.is_under_way:
            connection.execute("UPDATE speaking_sessions SET updated_at = %s WHERE id = %s", (FAR, one.session_id))
        _put_work(storage, bucket, one, recording, metrics)
    told: dict[str, Any] = _TRANSCRIPT.row() or {}
    connection.execute(_TOLD, told | {"id": FINISHED, "segments": json.dumps(told["segments"])})
    connection.execute(_INSIGHTS, {"id": FINISHED})


def _put_work(
    storage: "S3Client", bucket: str, one: SeededRecording, recording: bytes, metrics: numbers.Metrics
) -> None:
    """Store what exists between the stages at the analysis's progress, and nothing else."""
    under_way = one.status == "PROCESSING"
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "audio.flac"
        listening.listen(io.BytesIO(recording), prepared)
        flac = prepared.read_bytes()
    later = {
        keys.prepared_recording(one.session_id): (flac, 10),
        keys.sound(one.session_id): (documents.sound_to_json(_SOUND), 10),
        keys.transcript(one.session_id): (_TRANSCRIPT.to_json(), 60),
        keys.findings(one.session_id): (Findings(metrics, []).to_json(), 80),
    }
    for key, (content, since) in later.items():
        if under_way and one.progress >= since:
            storage.put_object(Bucket=bucket, Key=key, Body=content)
        else:
            storage.delete_object(Bucket=bucket, Key=key)


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
