"""Objects whose row is gone: one attempt to delete them at once; what fails is noted already, and the sweeper's."""

from inlet import object_deletions_table, storage
from inlet.errors import DependencyUnavailable
from inlet.logs import logger


def attempt(key: str) -> None:
    """Delete an object that `object_deletions` holds. Never fails, and takes no longer than a caller may wait."""
    try:
        storage.delete(key, patiently=False)
        object_deletions_table.done(key)
    except DependencyUnavailable as error:
        logger.warning("deletion left to the sweeper", extra={"reason": str(error)})
