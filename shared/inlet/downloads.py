"""Presigned URLs that download a stored file under the name its owner gave it."""

from inlet import storage
from inlet.headers import content_disposition


def url(key: str, filename: str) -> str:
    """Return a presigned GET, valid 15 minutes, that saves the object as `filename` and never shows it as a page."""
    return storage.presign_get(key, download_name=content_disposition(filename)).url
