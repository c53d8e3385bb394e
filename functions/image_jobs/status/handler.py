"""GET /api/status/{jobId}: return where the job stands. Polled every 2-3 seconds: one read, no pydantic, no boto3."""

from random import SystemRandom

from aws_lambda_powertools.event_handler import Response

from inlet import api, authentication, identifiers
from inlet.answers import Family
from inlet.errors import UploadNotFound
from inlet.image_jobs import jobs_table, state
from inlet.image_jobs.rows import JobStatus

POLL_SECONDS = 2
SAMPLED_SHARE = 0.1
_dice = SystemRandom()  # a seeded one would fall alike in every copy of one snapshot

app = api.Resolver(Family.IMAGE_JOBS, validation=False)


@app.get(
    "/api/status/<job_id>",
    security=api.JOB_TOKEN,
    replies={200: JobStatus, 304: None},
    raises=[UploadNotFound],
)
def read_status(job_id: str) -> Response[str]:
    """Read a job's status.

    Returns stage and progress, and the result's id once the job is completed. Poll every 2 to 3 seconds until it is
    completed or failed. Answers 304 while nothing has changed since the ETag in `If-None-Match`.
    """
    token = authentication.require_job_token(app.event)
    if _dice.random() < SAMPLED_SHARE:
        row = jobs_table.status_sampled(job_id, identifiers.token_hash(token))
    else:
        row = jobs_table.status(job_id)
    if row is None:
        raise UploadNotFound
    authentication.check_job_token(token, row.token_hash)

    unfinished = row.status in ("pending", "processing")
    return app.state(state.of(job_id, row), retry_after_seconds=POLL_SECONDS if unfinished else None)


lambda_handler = app.lambda_handler
