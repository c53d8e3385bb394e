"""Stage 1, validating (10 %): check that the pinned object is the declared image, whole and of a sane size.

It decodes the image once, for both the check and the model's input, which it stores. No later stage reads the original.
"""

import base64
import hashlib

from inlet import imaging, keys, storage
from inlet.errors import ImageRejected, ObjectMissing
from inlet.image_jobs.rows import Job
from inlet.image_jobs.stage import task


def validate(job: Job) -> None:
    """Refuse an unacceptable image for good, with words for its owner (`ImageRejected`)."""
    try:
        content = storage.read(job.key, etag=job.etag)
    except ObjectMissing as error:
        raise ImageRejected("The uploaded file is no longer there. Please upload it again.") from error
    if job.sha256 is not None and base64.b64encode(hashlib.sha256(content).digest()).decode() != job.sha256:
        raise ImageRejected("The file was damaged on its way. Please upload it again.")
    picture = imaging.prepare(content, job.content_type)
    storage.put_once(keys.model_input(job.upload_id), picture, "image/jpeg")


lambda_handler = task(validate, during="validating")
