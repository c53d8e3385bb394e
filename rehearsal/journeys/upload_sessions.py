"""Files in parts with an interruption, in a batch, aborted, sent again, and by stock Uppy."""

from typing import Any

import boto3
import httpx

from rehearsal.stack import Stack
from rehearsal.words import answered, require
from tests.support import upload_sessions
from tests.support.upload_sessions import MB, File, create, digest, pdf, put_part, put_parts


def travel(stack: Stack) -> str:
    """Take every route of the family."""
    with stack.client("builder") as http, stack.client("somebody else") as other, stack.client() as stranger:
        _resume(http, other)
        _abort(http)
        _companion(http, stranger)
        _lost_answers(stack, http, stranger)
    return "upload sessions: parts, resume, finalize, sent before, batch, abort, Uppy's companion"


def _resume(http: httpx.Client, other: httpx.Client) -> None:
    large = pdf(6 * MB)
    large = File(large.content, sha256=digest(large.content))
    session = create(http, large)
    registered = answered(session.register(large), 201)
    etags = put_parts(registered["parts"][:1], large)
    parts = answered(session.parts(registered["fileId"]))["parts"]
    require([part["uploaded"] for part in parts] == [True, False], "the parts do not show what arrived")
    etags |= put_parts(parts[1:], large)
    answered(upload_sessions.Session(other, session.id).read(), 404)
    parts = [{"partNumber": number, "etag": etag} for number, etag in etags.items()]
    several = {"files": [{"fileId": registered["fileId"], "parts": parts}]}
    (result,) = answered(http.post(f"{session.path}/files/complete", json=several))["results"]
    require(result["status"] == 200, f"completed with others: {result}")
    answered(session.finalize())
    (file,) = answered(session.read())["files"]
    require(httpx.get(file["fileUrl"], timeout=60).content == large.content, "the file is not what was sent")
    (known,) = answered(upload_sessions.declare(http, large), 201)["duplicates"]
    require(httpx.get(known["fileUrl"], timeout=60).content == large.content, "what was sent before is something else")


def _abort(http: httpx.Client) -> None:
    whole, begun = pdf(), pdf(filename="begun.pdf")
    session = create(http, whole, begun)
    session.send(whole)
    (result,) = answered(session.register_batch(begun))["results"]
    put_parts(result["file"]["parts"], begun)
    answered(session.abort(), 204)


def _companion(http: httpx.Client, stranger: httpx.Client) -> None:
    file, dropped = pdf(), pdf(filename="dropped.pdf")
    declared = answered(upload_sessions.declare(http, file, dropped), 201)
    door = f"{declared['companionPath']}/s3/multipart"
    begun = _begin(stranger, door, file)
    key = {"key": begun["key"]}
    signed = answered(stranger.get(f"{door}/{begun['uploadId']}/1", params=key))
    etag = put_part(signed["url"], file.content)
    require(len(answered(stranger.get(f"{door}/{begun['uploadId']}", params=key))) == 1, "the part is not listed")
    parts = {"parts": [{"PartNumber": 1, "ETag": etag}]}
    answered(stranger.post(f"{door}/{begun['uploadId']}/complete", params=key, json=parts))
    begun = _begin(stranger, door, dropped)
    answered(stranger.delete(f"{door}/{begun['uploadId']}", params={"key": begun["key"]}))


def _lost_answers(stack: Stack, http: httpx.Client, stranger: httpx.Client) -> None:
    """Let the bucket put files together whose callers never hear of it, and ask again."""
    asked, completed, other = pdf(filename="asked.pdf"), pdf(filename="completed.pdf"), pdf(filename="other.pdf")
    session, known = create(http, asked, completed), {}
    for file in (asked, completed):
        registered = answered(session.register(file), 201)
        known[file.filename] = registered["fileId"], put_parts(registered["parts"], file)
        _assemble(stack, f"files/{session.id}/{registered['fileId']}", known[file.filename][1])
    answered(session.parts(known["asked.pdf"][0]), 400)  # it is complete
    done = answered(session.complete(*known["completed.pdf"]))
    require(httpx.get(done["fileUrl"]).content == completed.content, "the file is not what was sent")

    declared = answered(upload_sessions.declare(http, other), 201)
    door = f"{declared['companionPath']}/s3/multipart"
    begun = _begin(stranger, door, other)
    key, upload = {"key": begun["key"]}, f"{door}/{begun['uploadId']}"
    etag = put_part(answered(stranger.get(f"{upload}/1", params=key))["url"], other.content)
    _assemble(stack, begun["key"], {1: etag})
    parts = {"parts": [{"PartNumber": 1, "ETag": etag}]}
    answered(stranger.post(f"{upload}/complete", params=key, json=parts))


def _assemble(stack: Stack, key: str, etags: dict[int, str]) -> None:
    client = boto3.client("s3")
    (upload,) = client.list_multipart_uploads(Bucket=stack.bucket, Prefix=key)["Uploads"]
    client.complete_multipart_upload(
        Bucket=stack.bucket,
        Key=key,
        UploadId=upload["UploadId"],
        MultipartUpload={"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in etags.items()]},
    )


def _begin(stranger: httpx.Client, door: str, file: File) -> Any:
    metadata = {"category": file.category, "size": len(file.content)}
    return answered(stranger.post(door, json={"filename": file.filename, "type": file.mime_type, "metadata": metadata}))
