"""Companion's S3 routes under a session, asked as Uppy asks them (Uppy itself, in a browser: tests/browser)."""

import hashlib
from typing import Any

import httpx
import pytest

from local.stack import LocalStack
from tests.support.stacks import Rows
from tests.support.upload_sessions import PART, SESSIONS, File, Session, declare, pdf, png


class Companion:
    """A session, and what a page would give Uppy as `companionEndpoint`."""

    def __init__(self, http: httpx.Client, *files: File) -> None:
        created = declare(http, *files).raise_for_status().json()
        self.session = Session(http, created["sessionId"])
        self.path: str = created["companionPath"]
        self._http = http

    def begin(self, file: File) -> httpx.Response:
        body = {"filename": file.filename, "type": file.mime_type, "metadata": {"name": file.filename, "x": None}}
        return self._http.post(f"{self.path}/s3/multipart", json=body)

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self._http.request(method, f"{self.path}/s3/{path}", json=body, params={"key": "../whatever"})

    def send(self, upload_id: str, file: File, *numbers: int) -> list[dict[str, Any]]:
        sent = []
        for number in numbers:
            signed = self.call("GET", f"multipart/{upload_id}/{number}").raise_for_status().json()
            etag = httpx.put(signed["url"], content=file.part(number)).raise_for_status().headers["etag"]
            sent.append({"PartNumber": number, "ETag": etag.strip('"')})
        return sent


def test_a_file_from_begin_to_finalize(http: httpx.Client) -> None:
    file, picture = pdf(2 * PART + 9), png()
    companion = Companion(http, file, picture)
    begun = companion.begin(file)
    assert begun.status_code == 200
    assert begun.json().keys() == {"key", "uploadId"}
    upload_id = begun.json()["uploadId"]
    assert companion.begin(file).json() == begun.json(), "Uppy tries again"

    first = companion.send(upload_id, file, 2)
    listed = companion.call("GET", f"multipart/{upload_id}").raise_for_status().json()
    assert listed == [{"PartNumber": 2, "Size": PART, "ETag": first[0]["ETag"]}]
    parts = sorted(first + companion.send(upload_id, file, 1, 3), key=lambda part: part["PartNumber"])
    completed = companion.call("POST", f"multipart/{upload_id}/complete", {"parts": parts}).raise_for_status().json()
    assert completed["key"] == begun.json()["key"]
    assert completed["location"].endswith(completed["key"])
    assert httpx.get(completed["location"]).status_code == 403, "the capability hands out no way to read"

    assert companion.session.finalize().status_code == 400
    companion.session.send(picture)
    assert companion.session.finalize().status_code == 200


def test_a_page_that_lost_the_last_answer_gets_it_again(http: httpx.Client, stack: LocalStack) -> None:
    file = pdf(PART + 1)
    for crashed in (False, True):
        companion = Companion(http, file)
        begun = companion.begin(file).json()
        parts = companion.send(begun["uploadId"], file, 1, 2)
        if crashed:  # between the bucket's completion and the row
            [upload] = stack.storage.list_multipart_uploads(Bucket=stack.bucket, Prefix=begun["key"])["Uploads"]
            stack.storage.complete_multipart_upload(
                Bucket=stack.bucket,
                Key=begun["key"],
                UploadId=upload["UploadId"],
                MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]
            )
        else:
            companion.call("POST", f"multipart/{begun['uploadId']}/complete", {"parts": parts}).raise_for_status()
        listed = companion.call("GET", f"multipart/{begun['uploadId']}").raise_for_status().json()
        assert [(part["PartNumber"], part["Size"]) for part in listed] == [(1, PART), (2, 1)]
        again = companion.call("POST", f"multipart/{begun['uploadId']}/complete", {"parts": listed})
        assert again.raise_for_status().json()["key"] == begun["key"]
        file_url = companion.session.read().json()["files"][0]["fileUrl"]
        assert httpx.get(file_url).content == file.content


def test_a_file_removed_on_the_page_may_come_back(http: httpx.Client, stack: LocalStack) -> None:
    file = pdf()
    companion = Companion(http, file)
    begun = companion.begin(file).json()
    removed = companion.call("DELETE", f"multipart/{begun['uploadId']}")
    assert (removed.status_code, removed.json()) == (200, {})
    prefix = f"files/{companion.session.id}/"
    assert "Uploads" not in stack.storage.list_multipart_uploads(Bucket=stack.bucket, Prefix=prefix)
    assert companion.call("DELETE", f"multipart/{begun['uploadId']}").status_code == 404
    again = companion.begin(file).json()
    assert again["uploadId"] != begun["uploadId"]
    parts = companion.send(again["uploadId"], file, 1)
    companion.call("POST", f"multipart/{again['uploadId']}/complete", {"parts": parts}).raise_for_status()
    assert companion.call("DELETE", f"multipart/{again['uploadId']}").status_code == 400, "a completed file stays"


def test_only_declared_files_in_their_parts(http: httpx.Client) -> None:
    file = pdf(PART + 1)
    companion = Companion(http, file)
    assert companion.begin(pdf(filename="other.pdf")).status_code == 400
    by_its_name = companion.begin(pdf(mime_type="application/vnd.ms-excel"))
    assert by_its_name.status_code == 200, "a browser on Windows names types in its own way"
    assert companion.begin(pdf(mime_type="")).json() == by_its_name.json()
    upload_id = companion.begin(file).json()["uploadId"]
    for number in (0, 3, -1, 10_001):
        assert companion.call("GET", f"multipart/{upload_id}/{number}").status_code == 400
    assert companion.call("GET", f"multipart/{upload_id}/x").status_code == 422
    wrong = {"parts": [{"PartNumber": 1, "ETag": "x"}]}
    assert companion.call("POST", f"multipart/{upload_id}/complete", wrong).status_code == 400


def test_forms_are_refused_with_the_remedy(http: httpx.Client) -> None:
    companion = Companion(http, pdf())
    refused = companion.call("GET", "params")
    assert (refused.status_code, refused.json()["code"]) == (400, "BAD_REQUEST")
    assert "shouldUseMultipart" in refused.json()["error"]


def everything(companion: Companion, upload_id: str) -> list[httpx.Response]:
    return [
        companion.call("GET", "params"),
        companion.begin(pdf()),
        companion.call("GET", f"multipart/{upload_id}"),
        companion.call("GET", f"multipart/{upload_id}/1"),
        companion.call("POST", f"multipart/{upload_id}/complete", {"parts": [{"PartNumber": 1, "ETag": "x"}]}),
        companion.call("DELETE", f"multipart/{upload_id}"),
    ]


def test_the_capability_opens_its_own_session_only(http: httpx.Client, rows: Rows) -> None:
    file = pdf()
    mine, other = Companion(http, file), Companion(http, file)
    upload_id = mine.begin(file).json()["uploadId"]
    own_path, token = mine.path, mine.path.rpartition("/")[2]
    for path in (
        f"{SESSIONS}/{mine.session.id}/companion/{other.path.rpartition('/')[2]}",
        f"{SESSIONS}/{other.session.id}/companion/{token}",
        f"{SESSIONS}/{mine.session.id}/companion/nonsense",
        f"{SESSIONS}/00000000-0000-4000-8000-000000000000/companion/{token}",
        f"{SESSIONS}/nonsense/companion/{token}",
    ):
        mine.path = path
        for response in everything(mine, upload_id):
            assert response.json() == {"error": "Upload session not found.", "code": "NOT_FOUND"}
            assert response.status_code == 404
    mine.path = own_path
    assert other.call("GET", f"multipart/{upload_id}").status_code == 404, "a file of another session"

    row = rows.execute("SELECT * FROM upload_sessions WHERE id = %s", (mine.session.id,)).fetchone()
    assert row is not None
    assert row["companion_token_hash"] == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(row)
    rows.execute("UPDATE upload_sessions SET companion_token_hash = NULL WHERE id = %s", (mine.session.id,))
    assert {response.status_code for response in everything(mine, upload_id)} == {404}


@pytest.mark.parametrize("end", ["deadline", "expired", "aborted", "completed"])
def test_the_capability_dies_with_the_session(http: httpx.Client, stack: LocalStack, rows: Rows, end: str) -> None:
    companion, upload_id = Companion(http, pdf()), ""
    if end == "completed":
        file = pdf()
        upload_id = companion.begin(file).json()["uploadId"]
        parts = {"parts": companion.send(upload_id, file, 1)}
        companion.call("POST", f"multipart/{upload_id}/complete", parts).raise_for_status()
        companion.session.finalize().raise_for_status()
        again = companion.call("POST", f"multipart/{upload_id}/complete", parts)
        assert again.status_code == 200, "whoever lost the last answer has some minutes to ask again"
        ago = "UPDATE upload_sessions SET ended_at = ended_at - interval '5 minutes' WHERE id = %s"
    elif end == "aborted":
        companion.session.abort().raise_for_status()
        ago = "SELECT %s::text"
    else:
        ago = "UPDATE upload_sessions SET expires_at = now() WHERE id = %s"
    rows.execute(ago, (companion.session.id,))
    if end == "expired":
        assert stack.sandboxes.invoke("OperationsSweepFunction", {}).error is None
    for response in everything(companion, upload_id or "00000000-0000-4000-8000-000000000000"):
        assert (response.status_code, response.json()) == (
            404,
            {"error": "Upload session not found.", "code": "NOT_FOUND"},
        )


def test_the_capability_never_hands_out_a_way_to_read(http: httpx.Client) -> None:
    file, picture = pdf(), png()
    companion = Companion(http, file, picture)
    upload_id = companion.begin(file).json()["uploadId"]
    parts = companion.send(upload_id, file, 1)
    complete = {"parts": parts}
    answers = [companion.call("POST", f"multipart/{upload_id}/complete", complete) for _ in range(2)]
    for response in [*answers, *everything(companion, upload_id)]:
        assert "X-Amz-Signature" not in response.text, response.request.url
    elsewhere = companion.begin(picture).json()["uploadId"]
    signed = companion.call("GET", f"multipart/{elsewhere}/1").json()["url"]
    assert "X-Amz-Signature" in signed
    assert httpx.get(signed).status_code == 403, "a part's URL is for its PUT"


def test_the_sweeper_forgets_the_capability(http: httpx.Client, stack: LocalStack, rows: Rows) -> None:
    companion = Companion(http, pdf())
    companion.session.abort().raise_for_status()
    rows.execute(
        "UPDATE upload_sessions SET ended_at = now() - interval '1 hour', purge_after = now() WHERE id = %s",
        (companion.session.id,),
    )
    assert stack.sandboxes.invoke("OperationsSweepFunction", {}).error is None
    kept = rows.execute("SELECT companion_token_hash FROM upload_sessions WHERE id = %s", (companion.session.id,))
    assert kept.fetchone() == {"companion_token_hash": None}


def test_the_capability_is_not_logged(http: httpx.Client, stack: LocalStack) -> None:
    companion = Companion(http, pdf())
    everything(companion, "00000000-0000-4000-8000-000000000000")
    log = stack.function_log.read_text()
    assert "/companion/{token}/s3/multipart" in log
    assert companion.path.rpartition("/")[2] not in log


def test_the_capability_is_not_in_the_line_a_developer_reads(
    http: httpx.Client, stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(stack, "_report", lines.append)
    companion = Companion(http, pdf())
    companion.call("GET", "params")
    assert any("/companion/…/s3/params" in line for line in lines)
    assert companion.path.rpartition("/")[2] not in str(lines)
