"""POST /api/process: move the job to `processing` and start its workflow; wait for nothing.

The row is committed first, with an execution name built only from it. Killed before the start, the job is started by
the sweeper; killed after, nothing is missing; refused by Step Functions, the job is startable again at once.
"""

from inlet import answers, api, authentication, workflow
from inlet.errors import (
    AlreadyProcessing,
    IdempotencyInProgress,
    IdempotencyMismatch,
    NotConfirmed,
    Unauthorized,
    UnsupportedType,
    UploadNotFound,
    ValidationFailed,
    WorkflowFailed,
    WorkflowUnavailable,
)
from inlet.image_jobs import uploads_table
from inlet.image_jobs.messages import ProcessRequest, StartedJob

app = api.resolver(answers.Family.IMAGE_JOBS)


@app.post(
    "/api/process",
    status_code=202,
    security=api.SESSION_TOKEN,
    responses=answers.documented(
        app.family,
        {202: StartedJob},
        Unauthorized,
        UploadNotFound,
        UnsupportedType,
        ValidationFailed,
        NotConfirmed,
        AlreadyProcessing,
        WorkflowFailed,
        IdempotencyMismatch,
        IdempotencyInProgress,
    ),
)
def process_upload(request: ProcessRequest) -> StartedJob:
    """Start processing a confirmed upload; a failed one again, at most three times in all."""
    token = api.session_token(app)
    upload = uploads_table.get(request.upload_id)
    authentication.check_session_token(token, upload.session_token_hash)
    attempt = upload.next_attempt()
    workflow_run_id = workflow.execution_arn(upload.id, attempt)
    if not uploads_table.start(upload, attempt, workflow_run_id):
        raise AlreadyProcessing(status="processing")
    try:
        workflow.start(upload.id, attempt)
    except WorkflowUnavailable as error:
        uploads_table.release(upload.id, attempt)
        raise WorkflowFailed from error
    return StartedJob(job_id=upload.id, workflow_run_id=workflow_run_id)


lambda_handler = app.lambda_handler
