"""GET /api/results/{resultId}: sign a GET of the watermarked preview; once released, of the full-size picture too."""

from inlet import api, authentication, downloads, storage
from inlet.answers import Family
from inlet.errors import ResultNotFound, ResultNotReady
from inlet.image_jobs import results_table
from inlet.image_jobs.messages import Result
from inlet.settings import settings

app = api.Resolver(Family.IMAGE_JOBS)


@app.get("/api/results/<result_id>", security=api.JOB_TOKEN, raises=[ResultNotFound, ResultNotReady])
def read_result(result_id: str) -> Result:
    """Read a result.

    Returns a presigned URL of the finished picture's watermarked preview, valid 15 minutes, and its size in pixels.
    `fullUrl` downloads the full-size picture; it is null until that is released.
    """
    token = authentication.require_job_token(app.event)
    result = results_table.get(result_id)
    authentication.check_job_token(token, result.token_hash)
    preview = result.preview()
    signed = storage.presign_get(preview.key)
    extension = result.full_key.rpartition(".")[2]
    may_have_full = result.released or settings.releases_all_results
    return Result(
        result_id=result.id,
        preview_url=signed.url,
        full_url=downloads.url(result.full_key, f"portrait.{extension}") if may_have_full else None,
        expires_at=signed.expires_at,
        width=preview.width,
        height=preview.height,
        deletes_at=result.deletes_at,
    )


lambda_handler = app.lambda_handler
