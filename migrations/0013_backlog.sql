-- What the sweeper tells of the work that waits: since when an object is to be deleted, and which notifications are dead.

ALTER TABLE object_deletions ADD COLUMN due_since timestamptz NOT NULL DEFAULT now();  -- a retry moves only not_before
CREATE INDEX notifications_dead ON notifications (dead_at) WHERE dead_at IS NOT NULL;
