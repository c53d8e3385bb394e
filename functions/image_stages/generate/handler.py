"""Stage 2, generating (30 → 70 %): ask the image model for the picture, and pay it once.

Bytes first, rows after: when the bucket has the model's answer, no attempt asks again. The ledger is written before the
call. A retry after a crash therefore knows that a call may have been billed, and ends the attempt instead of paying
twice.

It waits for a minute or more and decodes nothing, so that it can wait in little memory. `store` checks the answer.
"""

from inlet import keys, storage
from inlet.image_jobs import generation, generations_table, jobs_table
from inlet.image_jobs.generations_table import LEDGER
from inlet.image_jobs.rows import GENERATED_PROGRESS, Job
from inlet.image_jobs.stage import task


def generate(job: Job) -> None:
    """Send the model what `validate` has stored, unless its answer is in the bucket already."""
    if job.full_key is None and not storage.exists(keys.generated(job.upload_id)):
        generation.require_configured()
        picture = storage.read(keys.model_input(job.upload_id))
        call = generations_table.call_for(job)
        with LEDGER.paid(call, generation.dollars()):
            generated = generation.generate(picture)
        storage.put_once(keys.generated(job.upload_id), generated.content, generated.content_type)
        LEDGER.answered(call)
    jobs_table.advance(job, GENERATED_PROGRESS)


lambda_handler = task(generate, during="generating")
