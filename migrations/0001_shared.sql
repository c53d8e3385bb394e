-- What no family owns: rate limits, idempotent answers, the outbox of analytics events, objects to delete.

CREATE TABLE rate_limits (
    key          text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end   timestamptz NOT NULL,
    count        integer NOT NULL,
    PRIMARY KEY (key, window_start)
);
CREATE INDEX rate_limits_over ON rate_limits (window_end);

-- `answer` is encrypted under the server's secret and the caller's Idempotency-Key; the hashes are keyed with the secret.
CREATE TABLE idempotency_keys (
    key_hash     text PRIMARY KEY,
    request_hash text NOT NULL,
    subject_hash text,                                     -- of the signed-in user, by which the row is found and deleted
    claim        uuid NOT NULL,
    locked_until timestamptz NOT NULL,
    answer       bytea,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX idempotency_keys_subject ON idempotency_keys (subject_hash) WHERE subject_hash IS NOT NULL;
CREATE INDEX idempotency_keys_expired ON idempotency_keys (expires_at);

CREATE TABLE outbox_events (
    uuid         uuid PRIMARY KEY,
    name         text NOT NULL,
    distinct_id  text NOT NULL,
    properties   jsonb NOT NULL,
    occurred_at  timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz,
    attempts     integer NOT NULL DEFAULT 0,
    sent_at      timestamptz
);
-- An event that PostHog has refused before waits behind those it has not seen: one it never takes blocks nothing else.
CREATE INDEX outbox_events_unsent ON outbox_events (attempts, occurred_at) WHERE sent_at IS NULL;
CREATE INDEX outbox_events_sent ON outbox_events (sent_at) WHERE sent_at IS NOT NULL;

-- Objects whose row is gone; the sweeper deletes them from the bucket.
CREATE TABLE object_deletions (
    key            text PRIMARY KEY,
    not_before     timestamptz NOT NULL DEFAULT now(),
    writable_until timestamptz                             -- a URL signed earlier may bring the object back until then
);
CREATE INDEX object_deletions_due ON object_deletions (not_before);
