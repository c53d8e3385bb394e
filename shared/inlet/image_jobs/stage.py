"""The edge of the image workflow's tasks: ids in, ids out, and a fence in front of the work.

A task runs at least once: the engine retries it, a zombie may wake up after its time-out, an operator may redrive. So
before any work, one statement moves the job into the stage, fenced by attempt and progress. A task that comes late is
skipped; a stale attempt stops with `StaleAttempt`. Errors leave as exceptions: the state machine matches class names.
"""

from collections.abc import Callable
from typing import Any

from inlet import background
from inlet.identifiers import result_id_for
from inlet.image_jobs import jobs_table, state
from inlet.image_jobs.rows import PROGRESS, Job, Stage
from inlet.logs import logger
from inlet.settings import settings

type Payload = dict[str, Any]


def task(work: Callable[[Job], None], *, during: Stage) -> Callable[[Payload, Any], Payload]:
    """Return the Lambda handler of a task, which does its work unless the job has left the stage already."""
    settings.refuse_unsafe()

    @background.function
    def lambda_handler(event: Payload, context: Any) -> Payload:
        upload_id, attempt = event["uploadId"], event["attempt"]
        job = jobs_table.enter(upload_id, attempt, during, PROGRESS[during])
        state.publish()
        late = job.progress > PROGRESS[during]
        if not late:
            work(job)
            state.publish()
        logger.info(
            "stage", extra={"task": context.function_name, "upload_id": upload_id, "attempt": attempt, "late": late}
        )
        return {"uploadId": upload_id, "attempt": attempt, "resultId": result_id_for(upload_id)}

    return lambda_handler
