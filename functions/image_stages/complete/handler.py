"""Stage 5, complete (100 %): make the result visible to its owner."""

from inlet import deliverer, keys, storage
from inlet.image_jobs import jobs_table
from inlet.image_jobs.rows import Job
from inlet.image_jobs.stage import task


def complete(job: Job) -> None:
    """Delete the model's raw answer, then complete the job."""
    storage.delete(keys.generated(job.upload_id))
    jobs_table.complete(job)
    deliverer.wake()


# The job stays in its last stage until `jobs_table.complete`, the one statement that completes it.
lambda_handler = task(complete, during="watermarking")
