"""Stage 5, complete (100 %): the result becomes visible to its owner."""

from inlet import keys, storage
from inlet.models.jobs import Job
from inlet.stage import stage
from inlet.tables import jobs


# The job stays in its last stage until the one statement that completes it.
@stage("watermarking", progress=90)
def lambda_handler(job: Job) -> None:
    """Clear away the model's raw answer, then complete the job."""
    storage.delete(keys.generated(job.upload_id))
    jobs.complete(job)
