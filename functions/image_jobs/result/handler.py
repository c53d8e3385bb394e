"""GET /api/results/{resultId}: a presigned URL of the watermarked preview; the full-size picture stays private."""

from inlet import answers, api, authentication, storage
from inlet.errors import ResultNotFound, ResultNotReady, Unauthorized
from inlet.image_jobs import results_table
from inlet.image_jobs.messages import Result

app = api.resolver(answers.Family.IMAGE_JOBS)


@app.get(
    "/api/results/<result_id>",
    security=api.SESSION_TOKEN,
    responses=answers.documented(app.family, {200: Result}, Unauthorized, ResultNotFound, ResultNotReady),
)
def read_result(result_id: str) -> Result:
    """The finished picture's preview, valid 15 minutes."""
    token = api.session_token(app)
    result = results_table.get(result_id)
    authentication.check_session_token(token, result.session_token_hash)
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
