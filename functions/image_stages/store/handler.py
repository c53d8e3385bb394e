"""Stage 3, storing (80 %): the full-size result under its final key, and its row."""

from inlet import imaging, keys, storage
from inlet.errors import GenerationMalformed
from inlet.image_jobs import results_table
from inlet.image_jobs.messages import EXTENSION_OF
from inlet.image_jobs.rows import Job
from inlet.image_jobs.stage import stage
from inlet.sniffing import sniff


@stage("storing", progress=80)
def lambda_handler(job: Job) -> None:
    """Check what the model made, store it once, record it once."""
    if job.full_key is not None:
        return
    content = storage.read(keys.generated(job.upload_id))
    content_type = sniff(content)
    if content_type not in EXTENSION_OF:
        raise GenerationMalformed
    facts = imaging.inspect(content, content_type)
    full_key = keys.full(job.upload_id, EXTENSION_OF[content_type])
    storage.put_once(full_key, content, content_type)
    results_table.store(job, full_key=full_key, content_type=content_type, width=facts.width, height=facts.height)
