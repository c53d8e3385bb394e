"""GET /api/results/{resultId}: sign a GET of the watermarked preview. The full-size picture stays private."""

from inlet import api, authentication, storage
from inlet.answers import Family
from inlet.errors import ResultNotFound, ResultNotReady
from inlet.image_jobs import results_table
from inlet.image_jobs.messages import Result

app = api.Resolver(Family.IMAGE_JOBS)


@app.get("/api/results/<result_id>", security=api.JOB_TOKEN, raises=[ResultNotFound, ResultNotReady])
def read_result(result_id: str) -> Result:
    """Read a result.

    Returns a presigned URL of the finished picture's watermarked preview, valid 15 minutes, and its size in pixels.
    """
    token = authentication.require_job_token(app.event)
    result = results_table.get(result_id)
    authentication.check_job_token(token, result.token_hash)
    preview = result.preview()
    signed = storage.presign_get(preview.key)
    return Result(
        result_id=result.id,
        preview_url=signed.url,
        expires_at=signed.expires_at,
        width=preview.width,
        height=preview.height,
    )


lambda_handler = app.lambda_handler
