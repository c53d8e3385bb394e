"""What an ended session left in the bucket: open uploads, and objects unless it was completed. Gone, known or not."""

from inlet import keys, multipart_uploads, storage
from inlet.upload_sessions import upload_sessions_table
from inlet.upload_sessions.upload_sessions_table import Leftovers


def remove(leftovers: Leftovers) -> None:
    """Remove them. Raises `StorageUnavailable`; then, and after a crash, the sweeper does it again."""
    prefix = keys.session_files(leftovers.id)
    multipart_uploads.abort_all(prefix)
    if not leftovers.keeps_objects:
        storage.delete_all(prefix)
    upload_sessions_table.purged(leftovers.id)
