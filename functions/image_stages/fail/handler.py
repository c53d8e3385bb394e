"""The end of every failure of the workflow: mark the job `failed`, keep its progress, and say why."""

import json
from typing import Any

from inlet import background, deliverer
from inlet.errors import PUBLIC_STAGE_ERRORS
from inlet.image_jobs import jobs_table, state
from inlet.image_jobs.rows import PROCESSING_FAILED
from inlet.logs import logger


@background.function
def lambda_handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Mark the attempt failed. Does nothing if the job is over or runs as another attempt."""
    upload_id, attempt = event["uploadId"], event["attempt"]
    name = event["error"]["Error"]
    message = _message(name, event["error"].get("Cause", ""))
    failed = jobs_table.fail(upload_id, attempt, message, final=name in PUBLIC_STAGE_ERRORS)
    state.publish()
    if failed:
        deliverer.wake()
    logger.warning("job failed", extra={"upload_id": upload_id, "attempt": attempt, "error": name, "changed": failed})
    return {"uploadId": upload_id, "attempt": attempt}


def _message(name: str, cause: str) -> str:
    """Return the stage's own words where they are meant for the image's owner. `Cause` quotes them as JSON."""
    if name not in PUBLIC_STAGE_ERRORS:
        return PROCESSING_FAILED
    try:
        return str(json.loads(cause)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return PROCESSING_FAILED
