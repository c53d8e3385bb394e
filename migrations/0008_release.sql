-- When the owner of the bundle let the full-size result go to its sender.

ALTER TABLE uploads ADD COLUMN released_at timestamptz;
