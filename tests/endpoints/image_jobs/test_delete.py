"""DELETE /api/upload/{uploadId}: all of it goes, and nothing can be done with it any more."""

from typing import TYPE_CHECKING

import httpx

from inlet.identifiers import result_id_for
from local.stack import LocalStack
from tests.support.image_jobs import (
    UNKNOWN,
    Upload,
    assert_error,
    confirm,
    process,
    reserve,
    started,
    status,
    wait,
)
from tests.support.stacks import Rows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

GONE = "Upload not found. Please try again."


def delete(http: httpx.Client, upload: Upload, **headers: str) -> httpx.Response:
    return http.delete(f"/api/upload/{upload.id}", headers=upload.auth | headers)


def test_a_finished_picture_goes_with_all_it_has(
    http: httpx.Client, stack: LocalStack, storage: "S3Client", rows: Rows
) -> None:
    upload = started(http)
    result_id = wait(http, upload)["resultId"]
    shown = http.get(f"/api/results/{result_id}", headers=upload.auth).json()["previewUrl"]
    assert httpx.get(shown).status_code == 200

    answer = delete(http, upload)

    assert (answer.status_code, answer.content) == (204, b"")
    assert httpx.get(shown).status_code == 404, "a link that was given out leads nowhere"
    for prefix in (f"uploads/{upload.id}/", f"work/{upload.id}/", f"results/{result_id_for(upload.id)}/"):
        assert storage.list_objects_v2(Bucket=stack.bucket, Prefix=prefix)["KeyCount"] == 0
    for call in (status, confirm, process, delete):
        assert_error(call(http, upload), 404, "NOT_FOUND", GONE)
    result = http.get(f"/api/results/{result_id}", headers=upload.auth)
    assert_error(result, 404, "NOT_FOUND", "Result not found.")
    event = rows.execute(
        "SELECT properties FROM outbox_events WHERE name = 'upload_deleted' AND distinct_id = %s", (upload.id,)
    ).fetchall()
    assert event == [{"properties": {"upload_id": upload.id, "reason": "owner"}}]


def test_an_answer_kept_under_a_key_does_not_outlive_the_job(http: httpx.Client) -> None:
    upload = reserve(http)
    upload.put()
    key = {"Idempotency-Key": "0f2b4bfa-77a4-4a57-8c02-2dd16a1e7a10"}
    assert confirm(http, upload, **key).status_code == 200
    assert delete(http, upload).status_code == 204
    assert_error(confirm(http, upload, **key), 404, "NOT_FOUND", GONE)


def test_only_its_owner_deletes_it(http: httpx.Client, finished: Upload) -> None:
    missing = http.delete(f"/api/upload/{finished.id}")
    assert_error(missing, 401, "UNAUTHORIZED", "The X-Session-Token header is missing.")
    wrong = http.delete(f"/api/upload/{finished.id}", headers=reserve(http).auth)
    assert_error(wrong, 401, "UNAUTHORIZED", "The X-Session-Token does not belong to this upload.")
    assert status(http, finished).status_code == 200


def test_unknown(http: httpx.Client) -> None:
    assert_error(delete(http, UNKNOWN), 404, "NOT_FOUND", GONE)
