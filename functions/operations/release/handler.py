"""Invoked with {"uploadId": …}, once a picture is paid for, say: let its owner have the full size. May be repeated."""

from typing import Any

from inlet import background, deployment_table
from inlet.errors import InvalidRequest
from inlet.image_jobs import results_table, state
from inlet.logs import logger


@background.function
def lambda_handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    """Release the full-size result of a completed job."""
    upload_id = event.get("uploadId")
    if not isinstance(upload_id, str):
        raise InvalidRequest('Invoke this function with {"uploadId": "…"}: the id that POST /api/upload answered.')
    deployment_table.refuse_foreign()
    results_table.release(upload_id)
    state.publish()
    logger.info("released", extra={"upload_id": upload_id})
    return {"uploadId": upload_id}
