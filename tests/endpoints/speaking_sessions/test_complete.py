"""POST /api/sessions/{id}/complete: the announced recording is there, or goes."""

from typing import TYPE_CHECKING

import httpx
import pytest

from local.stack import LocalStack
from tests.support import recordings
from tests.support.recordings import tone

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
from tests.support.speaking_sessions import MEGABYTE, announce, objects, put, refusal, row_of
from tests.support.stacks import Rows


def test_fifty_megabytes_go_straight_to_the_bucket(
    http: httpx.Client, rows: Rows, storage: "S3Client", stack: LocalStack
) -> None:
    size = 50 * MEGABYTE
    content = recordings.wav(bytes(size - 44))
    assert len(content) == size
    announced = announce(http, contentType="AUDIO/WAV; codecs=1", size=size, language="de", topic="Mond").json()
    assert announced["status"] == "CREATED"
    assert announced["headers"] == {"Content-Type": "audio/wav", "If-None-Match": "*"}
    path = f"/api/sessions/{announced['id']}/complete"

    early = http.post(path)
    assert (early.status_code, early.json()["code"], early.headers["retry-after"]) == (409, "NOT_UPLOADED", "1")
    assert http.get(f"/api/sessions/{announced['id']}").json()["audioUrl"] is None

    assert put(announced, content + b"x").status_code == 403
    assert put(announced, content).status_code == 200
    assert put(announced, content).status_code == 412
    completed = http.post(path)
    assert completed.status_code == 200
    assert completed.json() == {
        "id": announced["id"],
        "status": "UPLOADED",
        "createdAt": announced["createdAt"],
        "estimatedWaitSecs": 30,
    }
    assert http.post(path).json() == completed.json()
    row = row_of(rows, announced["id"])
    assert row["audio_key"] == f"sessions/{row['user_id']}/{row['id']}/audio.wav"
    assert storage.head_object(Bucket=stack.bucket, Key=row["audio_key"])["ContentLength"] == size


@pytest.mark.parametrize("declared", ["audio/webm", "audio/x-hx-aac-adts", "Audio/X-Unheard.of; rate=8000"])
def test_whatever_audio_was_announced_the_bytes_say_what_it_is(
    http: httpx.Client, rows: Rows, stack: LocalStack, declared: str
) -> None:
    announced = announce(http, contentType=declared, size=len(tone())).json()
    assert put(announced, tone()).status_code == 200
    assert http.post(f"/api/sessions/{announced['id']}/complete").json()["status"] == "UPLOADED"
    assert row_of(rows, announced["id"])["content_type"] == "audio/wav"
    heard = httpx.get(http.get(f"/api/sessions/{announced['id']}").json()["audioUrl"])
    assert heard.headers["content-type"] == "audio/wav"
    assert f'recording-{announced["id"]}.wav"' in heard.headers["content-disposition"]
    assert heard.content == tone()


@pytest.mark.parametrize(
    ("declared", "content"),
    [
        ("audio/wav", b"<html>" + bytes(94)),
        ("audio/webm", b"\x89PNG\r\n\x1a\n" + bytes(92)),
        ("audio/ogg", b"OggX" + bytes(96)),
    ],
)
def test_what_is_not_the_announced_recording_goes(
    http: httpx.Client, rows: Rows, storage: "S3Client", stack: LocalStack, declared: str, content: bytes
) -> None:
    announced = announce(http, contentType=declared, size=len(content)).json()
    key = row_of(rows, announced["id"])["audio_key"]
    assert put(announced, content).status_code == 200
    refused = http.post(f"/api/sessions/{announced['id']}/complete")
    assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_FILE")
    assert objects(storage, stack, key) == []
    again = http.post(f"/api/sessions/{announced['id']}/complete")
    assert refusal(again) == (404, "SESSION_NOT_FOUND", "Session not found")
