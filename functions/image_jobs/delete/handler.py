"""DELETE /api/upload/{uploadId}: delete a job with all it has, whatever it is doing.

One statement deletes the row and notes the objects. Whatever happens then, the sweeper deletes them; what a running
stage writes meanwhile, too.
"""

from aws_lambda_powertools.event_handler import Response

from inlet import api, authentication, deletions, deliverer
from inlet.answers import Family
from inlet.errors import UploadNotFound
from inlet.image_jobs import retention_table, uploads_table

app = api.Resolver(Family.IMAGE_JOBS, validation=False)


@app.delete("/api/upload/<upload_id>", security=api.JOB_TOKEN, replies={204: None}, raises=[UploadNotFound])
def delete_upload(upload_id: str) -> Response[str]:
    """Delete an upload.

    Deletes the image, the job and its result, at any time. A job that is being processed ends and changes nothing
    more. Afterwards every call about it is answered with 404: take that for done.
    """
    token = authentication.require_job_token(app.event)
    upload = uploads_table.get(upload_id)
    authentication.check_job_token(token, upload.token_hash)
    deletions.attempt(retention_table.delete(upload.id, upload.key))
    deliverer.wake()
    return Response(204)


lambda_handler = app.lambda_handler
