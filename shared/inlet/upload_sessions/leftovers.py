"""What an ended session left in the bucket: open uploads, and objects unless it was completed. Gone, known or not."""

from inlet import keys, multipart, storage
from inlet.tables import upload_sessions
from inlet.tables.upload_sessions import Leftovers


def remove(leftovers: Leftovers) -> None:
    """Remove them. Raises `StorageUnavailable`; then, and after a crash, the sweeper does it again."""
    prefix = keys.session_files(leftovers.id)
    multipart.abort_all(prefix)
    if not leftovers.keeps_objects:
        storage.delete_all(prefix)
    upload_sessions.purged(leftovers.id)
