"""Stage 4, watermarking (90 %): make the preview its owner may see, at most 1024 px, with a visible watermark."""

from inlet import imaging, keys, storage
from inlet.errors import ObjectMissing
from inlet.image_jobs import results_table
from inlet.image_jobs.rows import Job
from inlet.image_jobs.stage import task


def watermark(job: Job) -> None:
    """Make the preview from the stored result, store it once, record it once."""
    if job.full_key is None:
        raise ObjectMissing("The result has not been stored.")
    preview = imaging.preview(storage.read(job.full_key))
    key = keys.preview(job.upload_id)
    storage.put_once(key, preview.content, "image/webp")
    results_table.add_preview(job, preview_key=key, width=preview.width, height=preview.height)


lambda_handler = task(watermark, during="watermarking")
