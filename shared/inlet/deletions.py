"""One attempt to delete objects whose row is gone. The sweeper repeats what fails."""

from collections.abc import Sequence

from inlet import object_deletions_table, storage
from inlet.errors import DependencyUnavailable
from inlet.swallowing import swallowed


def attempt(keys: Sequence[str]) -> None:
    """Delete objects that `object_deletions` lists, in one call. Never fails; gives up after five seconds."""
    try:
        kept = storage.delete_many(keys, patiently=False)
        object_deletions_table.done([key for key in keys if key not in kept])
    except DependencyUnavailable as error:
        swallowed("deletion left to the sweeper", reason=str(error))
