"""POST /api/mocs/uploads/sessions/{sessionId}/files/{fileId}/complete: the file is whole, or its parts are wrong."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from inlet.headers import content_disposition
from local.stack import LocalStack
from tests.support.stacks import Rows
from tests.support.upload_sessions import (
    MB,
    PART,
    Bucket,
    File,
    create,
    digest,
    file_rows,
    pdf,
    put_parts,
    refused,
)


def test_complete(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    file = pdf()
    session = create(http, file)
    registered = session.register(file).json()
    response = session.complete(registered["fileId"], put_parts(registered["parts"], file))
    assert response.status_code == 200
    body = response.json()
    assert body.keys() == {"fileId", "fileUrl"}
    [row] = file_rows(rows, session)
    assert (row["status"], str(row["id"])) == ("completed", body["fileId"])
    assert (bucket_of.objects(session), bucket_of.uploads(session)) == ([row["key"]], [])
    assert httpx.get(body["fileUrl"]).content == file.content


def test_a_50_mb_pdf_in_parallel_out_of_order(http: httpx.Client, stack: LocalStack) -> None:
    content = pdf(50 * MB).content
    file = File(content, sha256=digest(content))
    session = create(http, file)
    registered = session.register(file).json()
    parts = list(registered["parts"])
    assert len(parts) == 10
    random.Random(50).shuffle(parts)
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(4) as pool:

        def send(part: dict[str, Any]) -> tuple[int, str]:
            answer = client.put(part["url"], content=file.part(part["partNumber"]))
            return part["partNumber"], answer.raise_for_status().headers["etag"]

        etags = dict(pool.map(send, parts))
        url = session.complete(registered["fileId"], etags).raise_for_status().json()["fileUrl"]
        assert digest(client.get(url).content) == file.sha256
    finalized = session.finalize().raise_for_status().json()
    assert finalized["status"] == "completed"


@pytest.mark.parametrize("form", ["{}", '"{}"', '"{}', 'W/"{}"'])
def test_etags_with_and_without_quotes_and_extra_keys(http: httpx.Client, form: str) -> None:
    file = pdf(PART + 5)
    session = create(http, file)
    registered = session.register(file).json()
    etags = put_parts(registered["parts"], file)
    parts = [
        {"partNumber": number, "etag": form.format(etag.strip('"')), "size": 12, "ETag": "nonsense", "checksum": None}
        for number, etag in sorted(etags.items(), reverse=True)
    ]
    body = {"parts": parts, "uploadId": "nonsense", "key": "../../x"}
    response = http.post(f"{session.path}/files/{registered['fileId']}/complete", json=body)
    assert response.status_code == 200, response.text


def test_parts_that_differ_from_what_was_uploaded(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    """Missing, too many, twice, swapped, foreign and empty; afterwards the file can still be completed."""
    file = pdf(2 * PART + 5)
    session = create(http, file)
    registered = session.register(file).json()
    file_id = registered["fileId"]
    etags = put_parts(registered["parts"][:2], file)
    claimed = etags | {3: etags[1]}
    assert refused(session.complete(file_id, etags), 400, "BAD_REQUEST")["missingParts"] == [3]
    refused(session.complete(file_id, claimed), 400, "BAD_REQUEST")
    etags |= put_parts(registered["parts"][2:], file)
    for wrong in (
        {1: etags[1], 2: etags[2]},
        etags | {4: etags[3]},
        {1: etags[2], 2: etags[1], 3: etags[3]},
        etags | {2: '"0123456789abcdef0123456789abcdef"'},
        etags | {2: "<&>"},
        etags | {2: ""},
        etags | {2: "with space"},
        {number + 1: etag for number, etag in etags.items()},
    ):
        refused(session.complete(file_id, wrong), 400, "BAD_REQUEST")
    twice = [{"partNumber": number, "etag": etags[number]} for number in (1, 1, 2, 3)]
    response = http.post(f"{session.path}/files/{file_id}/complete", json={"parts": twice})
    refused(response, 400, "BAD_REQUEST")
    assert [row["status"] for row in file_rows(rows, session)] == ["registered"]
    assert (bucket_of.objects(session), len(bucket_of.uploads(session))) == ([], 1)
    assert session.complete(file_id, etags).status_code == 200


@pytest.mark.parametrize("number", [0, 10_001, -1, "1", 1.5, None])
def test_a_part_number_that_is_none(http: httpx.Client, number: Any) -> None:
    file = pdf()
    session = create(http, file)
    file_id = session.register(file).json()["fileId"]
    response = http.post(
        f"{session.path}/files/{file_id}/complete", json={"parts": [{"partNumber": number, "etag": "x"}]}
    )
    assert refused(response, 422, "VALIDATION_ERROR")["fields"][0]["field"] == "parts.0.partNumber"


def test_already_completed(http: httpx.Client, rows: Rows) -> None:
    """400, with the URL in `details`, so a client that lost the answer recovers."""
    file = pdf()
    session = create(http, file)
    registered = session.register(file).json()
    etags = put_parts(registered["parts"], file)
    assert session.complete(registered["fileId"], etags).status_code == 200
    for answer in (session.complete(registered["fileId"], etags), session.parts(registered["fileId"])):
        assert httpx.get(refused(answer, 400, "BAD_REQUEST")["fileUrl"]).content == file.content
    assert session.finalize().status_code == 200
    late = session.complete(registered["fileId"], etags)
    assert "fileUrl" in refused(late, 400, "BAD_REQUEST"), "after the session's end too"


@pytest.mark.parametrize("finish", ["complete", "parts"])
def test_the_retry_finds_the_object_where_the_upload_is_gone(
    http: httpx.Client, rows: Rows, stack: LocalStack, bucket_of: Bucket, finish: str
) -> None:
    """Killed between the bucket's completion and the row; HEAD decides, whichever call comes next.

    S3 forgets a completed upload after a while, this S3 server when the object is written again.
    """
    file = pdf()
    session = create(http, file)
    registered = session.register(file).json()
    etags = put_parts(registered["parts"], file)
    key = f"files/{session.id}/{registered['fileId']}"
    stack.storage.complete_multipart_upload(
        Bucket=stack.bucket,
        Key=key,
        UploadId=registered["uploadId"],
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etags[1]}]},
    )
    bucket_of.put(key, file.content)
    if finish == "complete":
        answer = session.complete(registered["fileId"], etags)
        url = answer.raise_for_status().json()["fileUrl"]
    else:
        url = refused(session.parts(registered["fileId"]), 400, "BAD_REQUEST")["fileUrl"]
    assert httpx.get(url).content == file.content
    assert [row["status"] for row in file_rows(rows, session)] == ["completed"]
    assert session.finalize().status_code == 200


def test_an_upload_that_storage_has_lost_may_be_registered_again(http: httpx.Client, stack: LocalStack) -> None:
    file = pdf()
    session = create(http, file)

    def completing(file_id: str) -> httpx.Response:
        return session.complete(file_id, {1: "x"})

    for call in (completing, session.parts):
        registered = session.register(file).json()
        stack.storage.abort_multipart_upload(
            Bucket=stack.bucket, Key=f"files/{session.id}/{registered['fileId']}", UploadId=registered["uploadId"]
        )
        refused(call(registered["fileId"]), 400, "BAD_REQUEST")
    session.send(file)
    assert session.finalize().status_code == 200


@pytest.mark.parametrize("filename", ["../../Pläne €\u202efdp.exe", 'a"; x="\r\nSet-Cookie: b=c.pdf'])
def test_a_hostile_name_is_kept_but_harmless(http: httpx.Client, rows: Rows, filename: str) -> None:
    """Kept in the row, never in the key; what `Content-Disposition` makes of it is in tests/unit/test_downloads.py."""
    file = pdf(filename=filename)
    session = create(http, file)
    completed = session.send(file)
    assert session.read().json()["files"][0]["filename"] == filename
    [row] = file_rows(rows, session)
    assert row["key"] == f"files/{session.id}/{row['id']}"
    download = httpx.get(completed["fileUrl"])
    assert download.content == file.content
    assert download.headers["content-disposition"] == content_disposition(filename)
    assert "set-cookie" not in download.headers
