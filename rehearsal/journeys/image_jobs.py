"""One photograph from upload to preview, full size and deletion, and one file that lies about its type."""

import boto3
import httpx

from local import picture
from rehearsal.stack import Stack
from rehearsal.words import answered, require
from tests.support import image_jobs
from tests.support.upload_sessions import digest

LIE = b"<html>" * 20


def travel(stack: Stack) -> str:
    """Send both; the bucket refuses what was not declared."""
    photograph = picture.jpeg()
    declared = {"size": len(photograph), "sha256": digest(photograph)}
    with stack.client() as http:
        upload = image_jobs.reserve(http, "image/jpeg", **declared)
        answered(image_jobs.confirm(http, upload), 409)
        require(upload.put(photograph + b"x").status_code >= 400, "the bucket took more bytes than were declared")
        answered(upload.put(photograph))
        answered(upload.put(photograph), 412)
        elsewhere = httpx.put(upload.url.replace("/original", "/another"), content=photograph, headers=upload.headers)
        answered(elsewhere, 403)
        answered(image_jobs.confirm(http, upload))
        answered(image_jobs.process(http, upload), 202)
        done = image_jobs.wait(http, upload)
        require(done["status"] == "completed", f"the job is {done}")
        result = answered(http.get(f"/api/results/{done['resultId']}", headers=upload.auth))
        preview = httpx.get(result["previewUrl"]).content
        require(preview[:4] == b"RIFF" and preview[8:12] == b"WEBP", "the preview is no WebP")
        require(result["fullUrl"] is None, "the full size is given out unreleased")
        stack.invoke("OperationsReleaseFunction", {"uploadId": upload.id})
        released = answered(http.get(f"/api/results/{done['resultId']}", headers=upload.auth))
        answered(httpx.get(released["fullUrl"]))
        answered(http.delete(f"/api/upload/{upload.id}", headers=upload.auth), 204)
        answered(image_jobs.status(http, upload), 404)
        answered(httpx.get(released["fullUrl"]), 404)

        lying = image_jobs.reserve(http, "image/jpeg", size=len(LIE))
        answered(lying.put(LIE))
        answered(image_jobs.confirm(http, lying))
        answered(image_jobs.process(http, lying), 202)
        failed = image_jobs.wait(http, lying)
        require(failed["status"] == "failed", f"the job with a lie is {failed}")

        other = image_jobs.reserve(http, "image/jpeg", size=len(LIE))
        key = f"uploads/{other.id}/original.jpg"
        boto3.client("s3").put_object(Bucket=stack.bucket, Key=key, Body=LIE, ContentType="text/html")
        answered(image_jobs.confirm(http, other), 422)  # and is deleted
    return f"image jobs: a preview of {len(preview)} bytes; a lie: {failed['errorMessage']!r}"
