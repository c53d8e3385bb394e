-- When a row and its objects are due: the sweeper deletes them, and clients are told the date.

ALTER TABLE uploads ADD COLUMN delete_after timestamptz;
ALTER TABLE upload_sessions ADD COLUMN delete_after timestamptz;
ALTER TABLE speaking_sessions ADD COLUMN delete_after timestamptz;

CREATE INDEX uploads_due ON uploads (delete_after) WHERE delete_after IS NOT NULL;
CREATE INDEX upload_sessions_due ON upload_sessions (delete_after) WHERE delete_after IS NOT NULL;
CREATE INDEX speaking_sessions_due ON speaking_sessions (delete_after) WHERE delete_after IS NOT NULL;

-- A user's sessions, newest first.
CREATE INDEX upload_sessions_page ON upload_sessions (user_id, created_at DESC, id DESC);
