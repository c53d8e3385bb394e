"""Hostile files, from the PUT to the end of the job: each is refused at the right place, in words for its sender."""

import base64
import hashlib
from io import BytesIO

import httpx
import pytest
from PIL import Image

from inlet.identifiers import result_id_for
from local.stack import LocalStack
from tests.support import photographs
from tests.support.image_jobs import Upload, confirm, confirmed, process, reserve, started, status, wait
from tests.support.photographs import PHOTOGRAPH
from tests.support.stacks import Rows

JPEG = photographs.photograph()
UNKNOWN = "We can't read this kind of file. Please choose a JPEG, PNG, WebP or HEIC photo."


def keys(stack: LocalStack, upload: Upload) -> list[str]:
    """Every object that mentions the upload, and the results that would be its own."""
    listed = stack.storage.list_objects_v2(Bucket=stack.bucket, MaxKeys=1000).get("Contents", [])
    return [item["Key"] for item in listed if upload.id in item["Key"] or result_id_for(upload.id) in item["Key"]]


@pytest.mark.parametrize(
    ("media_type", "content", "words"),
    [
        ("image/jpeg", photographs.photograph(picture_format="PNG"), "This photo was sent as a JPEG but is a PNG."),
        ("image/png", JPEG, "This photo was sent as a PNG but is a JPEG."),
        ("image/jpeg", JPEG[: len(JPEG) // 2], "This photo is incomplete: its end is missing."),
        ("image/png", photographs.flat_png(8000, 8000), "This photo has more than 40 megapixels."),
        ("image/webp", photographs.webp_header(16_000, 16_000), "This photo has more than 40 megapixels."),
        ("image/webp", photographs.animation("WEBP"), "This is an animation, not a photo."),
        ("image/png", photographs.animation("PNG"), "This is an animation, not a photo."),
        (
            "image/png",
            photographs.text_bomb_png(chunks=8, characters=1_000_000),
            "This photo carries too much hidden text.",
        ),
        ("image/png", photographs.svg(), "This is an SVG drawing"),
        ("image/jpeg", photographs.pdf(), "This is a PDF"),
        ("image/heic", b"\x00\x00\x00\x18ftypheic" + bytes(40), "This photo is damaged"),
        ("image/jpeg", b"<html><script>alert(1)</script>", "This is a web page"),
        ("image/jpeg", b"MZ" + bytes(100), UNKNOWN),
        ("image/jpeg", b"\xff\xd8\xff", "This photo is"),
    ],
)
def test_what_is_no_photograph_fails_at_the_first_stage(
    http: httpx.Client,
    stack: LocalStack,
    rows: Rows,
    media_type: str,
    content: bytes,
    words: str,
) -> None:
    upload = started(http, content, media_type)
    body = wait(http, upload)
    assert (body["status"], body["stage"], body["progress"], body["resultId"]) == ("failed", "failed", 10, None)
    assert body["errorMessage"].startswith(words)
    bill = rows.execute("SELECT count(*) FROM generations WHERE upload_id = %s", (upload.id,)).fetchone()
    assert bill == {"count": 0}, "the model was asked"
    assert [key for key in keys(stack, upload) if not key.startswith("uploads/")] == []
    events = rows.execute(
        "SELECT properties FROM outbox_events WHERE name = 'status_failed' AND distinct_id = %s", (upload.id,)
    ).fetchall()
    assert [event["properties"] for event in events] == [
        {"upload_id": upload.id, "final_stage": "validating", "final_progress": 10}
    ]


def test_a_polyglot_s_trailer_is_gone(http: httpx.Client, stack: LocalStack) -> None:
    upload = started(http, photographs.polyglot_jpeg(), "image/jpeg")
    assert wait(http, upload)["status"] == "completed"
    derived = [key for key in keys(stack, upload) if not key.startswith("uploads/")]
    assert len(derived) == 4, "the model's input, its answer, the result and its preview"
    for key in derived:
        content = stack.storage.get_object(Bucket=stack.bucket, Key=key)["Body"].read()
        assert b"script" not in content
        assert b"polyglot" not in content
        Image.open(BytesIO(content)).load()


def test_nothing_at_all(http: httpx.Client) -> None:
    upload = reserve(http)
    assert upload.put(b"").status_code == 200
    assert confirm(http, upload).json()["error"]["code"] == "UPLOAD_MISMATCH"
    assert process(http, upload).json()["error"]["code"] == "NOT_CONFIRMED"


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_declared_size_wrong_by_one(http: httpx.Client, stack: LocalStack, difference: int) -> None:
    upload = reserve(http, size=len(PHOTOGRAPH) + difference)
    assert upload.put().status_code == 403, "the bucket refuses"
    assert confirm(http, upload).json()["error"]["code"] == "NOT_UPLOADED"
    key = f"uploads/{upload.id}/original.png"
    stack.storage.put_object(Bucket=stack.bucket, Key=key, Body=PHOTOGRAPH, ContentType="image/png")
    assert confirm(http, upload).json()["error"]["code"] == "UPLOAD_MISMATCH", "and confirming would find it"
    assert keys(stack, upload) == []


def test_replaced_after_confirmation(http: httpx.Client) -> None:
    """The URL is still valid, and still the client's."""
    upload = confirmed(http)
    assert upload.put(photographs.photograph(picture_format="PNG")).status_code == 412
    assert process(http, upload).status_code == 202
    assert wait(http, upload)["status"] == "completed"
    assert upload.put().status_code == 412


def test_replaced_behind_our_back(http: httpx.Client, stack: LocalStack) -> None:
    """Another writer of the bucket: what is there is not what was confirmed."""
    upload = confirmed(http)
    key = f"uploads/{upload.id}/original.png"
    other = photographs.photograph(picture_format="PNG")
    stack.storage.put_object(Bucket=stack.bucket, Key=key, Body=other, ContentType="image/png")
    process(http, upload)
    body = wait(http, upload)
    assert (body["status"], body["progress"]) == ("failed", 10)
    assert body["errorMessage"] == "The uploaded file is no longer there. Please upload it again."


def test_deleted_behind_our_back(http: httpx.Client, stack: LocalStack) -> None:
    upload = confirmed(http)
    stack.storage.delete_object(Bucket=stack.bucket, Key=f"uploads/{upload.id}/original.png")
    process(http, upload)
    assert wait(http, upload)["errorMessage"] == "The uploaded file is no longer there. Please upload it again."


def test_a_digest_that_does_not_match(http: httpx.Client, stack: LocalStack) -> None:
    digest = base64.b64encode(hashlib.sha256(JPEG).digest()).decode()
    upload = reserve(http, sha256=digest)
    assert upload.put().status_code == 400, "the bucket refuses"
    key = f"uploads/{upload.id}/original.png"
    stack.storage.put_object(Bucket=stack.bucket, Key=key, Body=PHOTOGRAPH, ContentType="image/png")
    assert confirm(http, upload).status_code == 200
    process(http, upload)
    assert wait(http, upload)["errorMessage"] == "The file was damaged on its way. Please upload it again."


def test_another_upload_s_token_opens_nothing(http: httpx.Client) -> None:
    mine, theirs = started(http), confirmed(http)
    result_id = wait(http, mine)["resultId"]
    for answer in (
        status(http, Upload(theirs.id, mine.token, "", {})),
        process(http, Upload(theirs.id, mine.token, "", {})),
        http.get(f"/api/results/{result_id}", headers=theirs.auth),
        confirm(http, theirs, **mine.auth),
    ):
        assert answer.status_code == 401
        assert answer.json() == {
            "success": False,
            "error": {
                "code": "UNAUTHORIZED",
                "message": "The X-Session-Token does not belong to this upload.",
            },
        }
    assert status(http, theirs).json()["status"] == "pending"
