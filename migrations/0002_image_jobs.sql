-- Image jobs: an upload and its job, the result, and the ledger of model calls.

CREATE TABLE uploads (
    id                 text PRIMARY KEY,
    email              text NOT NULL,
    session_token_hash text NOT NULL UNIQUE,
    sender_hash        text,                               -- of the sender's network, for its turn at the model
    original_url       text NOT NULL,                      -- the object's key, never a URL
    result_url         text,                               -- key of the full-size result
    preview_url        text,                               -- key of the watermarked preview
    status             text NOT NULL DEFAULT 'pending'
                       CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    stage              text
                       CHECK (stage IN ('validating', 'generating', 'storing', 'watermarking', 'complete', 'failed')),
    progress           integer NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    attempt            integer NOT NULL DEFAULT 0 CHECK (attempt BETWEEN 0 AND 3),
    workflow_run_id    text,
    error_message      text,
    final              boolean NOT NULL DEFAULT false,     -- the picture itself was refused: not processed again
    content_type       text NOT NULL,
    size               bigint CHECK (size > 0),            -- declared, then pinned at confirmation
    sha256             text,                               -- declared, base64
    etag               text,                               -- pinned at confirmation, without quotes
    confirmed_at       timestamptz,
    processing_at      timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    expires_at         timestamptz,                        -- swept when still unconfirmed then
    CHECK ((confirmed_at IS NULL) = (etag IS NULL)),
    CHECK (status = 'pending' OR attempt > 0),
    CHECK (NOT final OR status = 'failed')
);
CREATE INDEX uploads_unconfirmed ON uploads (expires_at) WHERE confirmed_at IS NULL;
CREATE INDEX uploads_sender ON uploads (sender_hash) WHERE status = 'processing';
CREATE INDEX uploads_processing ON uploads (updated_at) WHERE status = 'processing';

CREATE TABLE results (
    id           text PRIMARY KEY,
    upload_id    text NOT NULL UNIQUE REFERENCES uploads ON DELETE CASCADE,
    full_key     text NOT NULL,
    content_type text NOT NULL,
    width        integer NOT NULL CHECK (width > 0),
    height       integer NOT NULL CHECK (height > 0),
    preview_key  text,
    preview_width  integer CHECK (preview_width > 0),
    preview_height integer CHECK (preview_height > 0),
    created_at   timestamptz NOT NULL DEFAULT now()
);

-- The ledger of billed model calls. A row in state 'calling' says: the model was asked and no outcome is known.
CREATE TABLE generations (
    upload_id  text NOT NULL REFERENCES uploads ON DELETE CASCADE,
    attempt    integer NOT NULL,
    claim      uuid NOT NULL,
    state      text NOT NULL CHECK (state IN ('calling', 'refused', 'timed_out', 'generated')),
    calls      integer NOT NULL DEFAULT 1,
    timeouts   integer NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (upload_id, attempt)
);
