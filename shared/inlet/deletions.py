"""One attempt to delete objects whose row is gone. The sweeper repeats what fails."""

from collections.abc import Sequence

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


def attempt_all(keys: Sequence[str]) -> None:
    """Delete several, in one call. Never fails; gives up after five seconds."""
    try:
        kept = storage.delete_many(keys, patiently=False)
        object_deletions_table.done([key for key in keys if key not in kept])
    except DependencyUnavailable as error:
        logger.warning("deletions left to the sweeper", extra={"reason": str(error)})
