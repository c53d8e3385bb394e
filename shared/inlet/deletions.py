"""One attempt to delete an object whose row is gone. The sweeper repeats what fails."""

from inlet import object_deletions_table, storage
from inlet.errors import DependencyUnavailable
from inlet.logs import logger


def attempt(key: str) -> None:
    """Delete an object that `object_deletions` lists. Never fails; gives up after five seconds."""
    try:
        storage.delete(key, patiently=False)
        object_deletions_table.done([key])
    except DependencyUnavailable as error:
        logger.warning("deletion left to the sweeper", extra={"reason": str(error)})
