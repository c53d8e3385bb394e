"""What an ended session leaves in the bucket."""

from inlet import keys, multipart_uploads, storage
from inlet.upload_sessions import endings_table, files_table
from inlet.upload_sessions.endings_table import Leftovers


def remove(leftovers: Leftovers) -> None:
    """Delete what an ended session left: open multipart uploads, and objects without a row unless it completed.

    Works by key prefix, so it also finds uploads that no row knows. An object with a row belongs to a session that
    inherited it. Raises `StorageUnavailable`; then, and after a crash, the sweeper does it again.
    """
    prefix = keys.session_files(leftovers.id)
    multipart_uploads.abort_all(prefix)
    if not leftovers.keeps_objects and (found := storage.keys_under(prefix)):
        kept = files_table.known(found)
        storage.delete_all([key for key in found if key not in kept])
    endings_table.purged(leftovers.id)
