-- Upload sessions: what a user declared, what was registered, what arrived.

CREATE TABLE upload_sessions (
    id                   uuid PRIMARY KEY,
    user_id              text NOT NULL,                    -- the token's `sub`
    status               text NOT NULL DEFAULT 'active'
                         CHECK (status IN ('active', 'finalizing', 'completed', 'expired', 'aborted')),
    part_size_bytes      integer NOT NULL CHECK (part_size_bytes > 0),
    companion_token_hash text,                             -- of the capability that stock Uppy carries in its path
    lock_token           uuid,                             -- the finalizer's lease
    locked_until         timestamptz,
    failure_reason       text,                             -- the last one; of those that end, why
    purge_after          timestamptz,                      -- when the sweeper looks after its leftovers in the bucket (again)
    ended_at             timestamptz,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    expires_at           timestamptz NOT NULL,
    CHECK (lock_token IS NULL OR status = 'finalizing'),
    CHECK ((lock_token IS NULL) = (locked_until IS NULL))
);
CREATE INDEX upload_sessions_overdue ON upload_sessions (expires_at) WHERE status IN ('active', 'finalizing');
CREATE INDEX upload_sessions_purge ON upload_sessions (purge_after) WHERE purge_after IS NOT NULL;

-- A registered file: one multipart upload, from before its first part until its object is there. The row of a file that
-- is not as declared is deleted, and it may be registered again.
CREATE TABLE upload_session_files (
    id                  uuid PRIMARY KEY,
    session_id          uuid NOT NULL REFERENCES upload_sessions ON DELETE CASCADE,
    position            integer NOT NULL,
    key                 text NOT NULL UNIQUE,
    multipart_upload_id text NOT NULL,
    status              text NOT NULL DEFAULT 'registered' CHECK (status IN ('registered', 'completed')),
    etag                text,                              -- of the assembled object, without quotes
    created_at          timestamptz NOT NULL DEFAULT now(),
    completed_at        timestamptz,
    verified_at         timestamptz,                       -- finalize has looked into it
    UNIQUE (session_id, position),                         -- one registration of a declared file, however many ask
    CHECK ((status = 'completed') = (etag IS NOT NULL)),
    CHECK ((status = 'completed') = (completed_at IS NOT NULL)),
    CHECK (verified_at IS NULL OR status = 'completed')
);

-- What the session may hold. A file that equals a completed one of its user need not be sent again.
CREATE TABLE upload_session_declarations (
    session_id   uuid NOT NULL REFERENCES upload_sessions ON DELETE CASCADE,
    position     integer NOT NULL,                         -- the index in the request, from 0
    user_id      text NOT NULL,                            -- the session's, for the search for duplicates
    category     text NOT NULL CHECK (category IN ('instruction', 'image', 'parts-list')),
    filename     text NOT NULL,
    mime_type    text NOT NULL,
    size         bigint NOT NULL CHECK (size > 0),
    sha256       text,                                     -- base64
    duplicate_of uuid REFERENCES upload_session_files ON DELETE SET NULL,
    PRIMARY KEY (session_id, position)
);
CREATE INDEX upload_session_declarations_content ON upload_session_declarations (user_id, sha256, size)
    WHERE sha256 IS NOT NULL;
CREATE INDEX upload_session_declarations_duplicates ON upload_session_declarations (duplicate_of)
    WHERE duplicate_of IS NOT NULL;

-- Registered files are declared files: the schema says so.
ALTER TABLE upload_session_files
    ADD FOREIGN KEY (session_id, position) REFERENCES upload_session_declarations ON DELETE CASCADE;

-- The bucket's list of parts, as it was last seen.
CREATE TABLE upload_session_parts (
    file_id     uuid NOT NULL REFERENCES upload_session_files ON DELETE CASCADE,
    part_number integer NOT NULL CHECK (part_number BETWEEN 1 AND 10000),
    etag        text NOT NULL,                             -- without quotes
    size        bigint NOT NULL CHECK (size > 0),
    PRIMARY KEY (file_id, part_number)
);

-- How sessions end, by the UTC day they began: for a dashboard, or a query by hand.
CREATE VIEW upload_session_days AS
WITH sessions AS (
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day, status, failure_reason, created_at, ended_at
      FROM upload_sessions
), reasons AS (
    SELECT day, failure_reason, count(*) AS failed
      FROM sessions WHERE status IN ('expired', 'aborted') AND failure_reason IS NOT NULL
     GROUP BY day, failure_reason
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY day ORDER BY failed DESC, failure_reason) AS rank FROM reasons
), top AS (
    SELECT day, jsonb_agg(jsonb_build_object('reason', failure_reason, 'sessions', failed) ORDER BY rank) AS reasons
      FROM ranked WHERE rank <= 5 GROUP BY day
)
SELECT sessions.day,
       count(*) AS created,
       count(*) FILTER (WHERE status = 'completed') AS completed,
       count(*) FILTER (WHERE status IN ('expired', 'aborted')) AS failed,
       round((count(*) FILTER (WHERE status = 'completed'))::numeric / count(*), 4) AS success_rate,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - created_at))
           FILTER (WHERE status = 'completed') AS median_upload_seconds,
       coalesce(top.reasons, '[]') AS top_failure_reasons
  FROM sessions LEFT JOIN top USING (day)
 GROUP BY sessions.day, top.reasons;
