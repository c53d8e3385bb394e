"""The stages of the image workflow."""

from inlet.executions import IMAGE_JOB
from inlet.identifiers import result_id_for
from inlet.image_jobs import jobs_table, state
from inlet.image_jobs.rows import PROCESSING_FAILED, PROGRESS, Job, Stage
from inlet.stages import Stages

STAGES: Stages[Job, Stage] = Stages(
    IMAGE_JOB,
    PROGRESS,
    enter=jobs_table.enter,
    fail=jobs_table.fail,
    failed=PROCESSING_FAILED,
    publish=state.publish,
    output=lambda upload_id: {"resultId": result_id_for(upload_id)},
)
task = STAGES.task
