"""POST /api/status/{jobId}/live: give out a ticket for a WebSocket that tells every change of the job."""

from inlet import api, authentication, tickets
from inlet.answers import Family
from inlet.errors import LimitExceeded, LiveUpdatesOff, UploadNotFound
from inlet.image_jobs import uploads_table
from inlet.tickets import LiveTicket

app = api.Resolver(Family.IMAGE_JOBS, validation=False)


def _topic(event: api.Event, job_id: str) -> str:
    """Return the job's topic for whoever presents its token."""
    token = authentication.require_job_token(event)
    authentication.check_job_token(token, uploads_table.get(job_id).token_hash)
    return f"image_job:{job_id}"


@app.post(
    "/api/status/<job_id>/live",
    status=201,
    security=api.JOB_TOKEN,
    guard=lambda event, job_id: tickets.check(_topic(event, job_id)),
    raises=[UploadNotFound, LimitExceeded, LiveUpdatesOff],
)
def watch_job(job_id: str) -> LiveTicket:
    """Watch a job.

    Open `liveUrl` as a WebSocket within a minute and send `{"action": "hello"}`: it tells the job's status now, and at
    every change. It opens once. A push may be lost, so poll as well, every half minute.
    """
    return tickets.issue(_topic(app.event, job_id))


lambda_handler = app.lambda_handler
