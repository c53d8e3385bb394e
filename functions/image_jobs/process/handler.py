"""POST /api/process: move the job to `processing` and start its workflow. Waits for nothing.

The row is committed first, with an execution name built only from it. If the function dies before StartExecution, the
sweeper starts the job; after it, nothing is lost. If Step Functions refuses, the job can be started again at once.
"""

from inlet import api, authentication, logs, request_body
from inlet.answers import Family
from inlet.errors import (
    AlreadyProcessing,
    BudgetSpent,
    NotConfirmed,
    NotRetryable,
    UploadNotFound,
    WorkflowFailed,
    WorkflowUnavailable,
)
from inlet.image_jobs import state, uploads_table
from inlet.image_jobs.messages import ProcessRequest, StartedJob
from inlet.image_jobs.rows import Upload
from inlet.workflow import PROCESS_IMAGE

app = api.Resolver(Family.IMAGE_JOBS, publish=state.publish)


def _upload_of(event: api.Event, upload_id: str) -> Upload:
    """Return the upload whose job token the caller presents."""
    token = authentication.require_job_token(event)
    upload = uploads_table.get(upload_id)
    authentication.check_job_token(token, upload.token_hash)
    return upload


def _require_right(event: api.Event) -> None:
    authentication.require_job_token(event)
    named = request_body.loads(request_body.content(event).decode())
    if isinstance(named, dict) and isinstance(upload_id := named.get("uploadId"), str):
        _upload_of(event, upload_id)


@app.post(
    "/api/process",
    status=202,
    security=api.JOB_TOKEN,
    guard=_require_right,
    raises=[UploadNotFound, NotConfirmed, AlreadyProcessing, NotRetryable, BudgetSpent, WorkflowFailed],
)
def process_upload(request: ProcessRequest) -> StartedJob:
    """Process an upload.

    Starts the workflow of a confirmed upload and returns at once; poll `GET /api/status/{jobId}`. A failed job may be
    processed again, three times in all, unless the picture itself was refused.
    """
    upload = _upload_of(app.event, request.upload_id)
    attempt = upload.next_attempt()
    logs.about(upload_id=upload.id, attempt=attempt)
    workflow_run_id = PROCESS_IMAGE.execution_arn(upload.id, attempt)
    if not uploads_table.start(upload, attempt, workflow_run_id):
        uploads_table.get(upload.id)  # unless it was deleted meanwhile
        raise AlreadyProcessing(status="processing")
    try:
        PROCESS_IMAGE.start(upload.id, attempt)
    except WorkflowUnavailable as error:
        uploads_table.release(upload.id, attempt)
        raise WorkflowFailed from error
    return StartedJob(job_id=upload.id, workflow_run_id=workflow_run_id)


lambda_handler = app.lambda_handler
