-- What PostHog has refused before waits behind what it has not seen: one event it never takes blocks nothing else.

DROP INDEX outbox_events_unsent;
CREATE INDEX outbox_events_unsent ON outbox_events (attempts, occurred_at) WHERE sent_at IS NULL;
