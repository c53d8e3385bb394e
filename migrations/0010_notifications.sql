-- What the owner's backend is told by webhook, written by the statement of the change it reports; and its endpoints.

CREATE TABLE notifications (
    id              uuid PRIMARY KEY,                      -- of type, subject and revision: recorded twice, it is one
    type            text NOT NULL,
    data            jsonb NOT NULL,
    occurred_at     timestamptz NOT NULL DEFAULT now(),
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz DEFAULT now(),             -- null: delivered, dead, or nobody wanted it
    delivered_at    timestamptz,
    dead_at         timestamptz,                           -- the last attempt has failed
    last_answer     text
);
CREATE INDEX notifications_due ON notifications (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX notifications_old ON notifications (occurred_at);

-- An endpoint that asked for a pause: without an end ("410 Gone"), or for a while (Retry-After).
CREATE TABLE webhook_pauses (
    endpoint_hash text PRIMARY KEY,
    until         timestamptz NOT NULL
);
