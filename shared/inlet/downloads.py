"""Presigned URLs that download a stored file under the name its owner gave it."""

from inlet import storage
from inlet.headers import content_disposition


def url(key: str, filename: str, *, seconds: int = storage.GET_SECONDS) -> str:
    """Return a presigned GET that saves the object as `filename` and never shows it as a page."""
    return storage.presign_get(key, download_name=content_disposition(filename), seconds=seconds).url
