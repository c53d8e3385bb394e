"""GET /api/status/{jobId}: where the job stands. Polled every 2-3 seconds: one read, no pydantic, no boto3."""

import hashlib
import json
import random

from aws_lambda_powertools.event_handler import Response

from inlet import answers, api, authentication, identifiers
from inlet.errors import Unauthorized, UploadNotFound
from inlet.image_jobs import jobs_table
from inlet.image_jobs.rows import JobStatus, StatusRow
from inlet.times import iso_utc

POLL_SECONDS = 2
SAMPLED_SHARE = 0.1

app = api.resolver(answers.Family.IMAGE_JOBS, validation=False)


@app.get(
    "/api/status/<job_id>",
    security=api.SESSION_TOKEN,
    responses=answers.documented(app.family, {200: JobStatus, 304: None}, Unauthorized, UploadNotFound),
)
def read_status(job_id: str) -> Response[str]:
    """Stage, progress and, once completed, the result's id; 304 when nothing has changed since `If-None-Match`."""
    token = api.session_token(app)
    if random.random() < SAMPLED_SHARE:  # noqa: S311 - a sample, not a secret
        row = jobs_table.status_sampled(job_id, identifiers.token_hash(token))
    else:
        row = jobs_table.status(job_id)
    if row is None:
        raise UploadNotFound
    authentication.check_session_token(token, row.session_token_hash)

    body = json.dumps(_status(row), separators=(",", ":"))
    etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    headers = {"etag": etag}
    if row.status in ("pending", "processing"):
        headers["retry-after"] = str(POLL_SECONDS)
    seen = {tag.strip().removeprefix("W/") for tag in app.event["headers"].get("if-none-match", "").split(",")}
    if etag in seen or "*" in seen:
        return Response(304, headers=headers)
    return Response(200, "application/json", body, headers)


def _status(row: StatusRow) -> JobStatus:
    status: JobStatus = {
        "success": True,
        "status": row.status,
        "stage": row.stage,
        "progress": row.progress,
        "resultId": row.result_id,
        "updatedAt": iso_utc(row.updated_at),
    }
    if row.status == "failed" and row.error_message:
        status["errorMessage"] = row.error_message
    return status


lambda_handler = app.lambda_handler
