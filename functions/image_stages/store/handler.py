"""Stage 3, storing (80 %): put the full-size result under its final key, and record it."""

from inlet import imaging, keys, storage
from inlet.errors import GenerationMalformed, ImageRejected
from inlet.image_jobs import results_table
from inlet.image_jobs.rows import EXTENSION_OF, Job
from inlet.image_jobs.stage import task
from inlet.sniffing import sniff


def store(job: Job) -> None:
    """Check the model's picture, store it once, record it once.

    What is no picture is forgotten before it is refused (`GenerationMalformed`), so that another attempt asks anew.
    """
    if job.full_key is not None:
        return
    content = storage.read(keys.generated(job.upload_id))
    content_type = sniff(content) or ""
    try:
        facts = imaging.inspect(content, content_type)
    except ImageRejected as error:
        storage.delete(keys.generated(job.upload_id))
        raise GenerationMalformed(found=content_type, size=len(content), reason=str(error)) from error
    full_key = keys.full(job.upload_id, EXTENSION_OF[content_type])
    storage.put_once(full_key, content, content_type)
    results_table.store(job, full_key=full_key, content_type=content_type, width=facts.width, height=facts.height)


lambda_handler = task(store, during="storing")
