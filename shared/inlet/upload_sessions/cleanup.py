"""What an ended session leaves in the bucket."""

from inlet import keys, multipart_uploads, storage
from inlet.upload_sessions import upload_sessions_table
from inlet.upload_sessions.upload_sessions_table import Leftovers


def remove(leftovers: Leftovers) -> None:
    """Delete what an ended session left: open multipart uploads, and its objects unless it completed.

    Works by key prefix, so it also finds uploads that no row knows. Raises `StorageUnavailable`; then, and after a
    crash, the sweeper does it again.
    """
    prefix = keys.session_files(leftovers.id)
    multipart_uploads.abort_all(prefix)
    if not leftovers.keeps_objects:
        storage.delete_all(prefix)
    upload_sessions_table.purged(leftovers.id)
