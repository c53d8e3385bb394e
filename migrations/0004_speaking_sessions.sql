-- Speaking sessions: users, their recordings, transcripts and insights.

CREATE TABLE users (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    external_id  text NOT NULL UNIQUE,                     -- the token's `sub`
    email        text,                                     -- an access token need not carry the other claims
    display_name text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE speaking_sessions (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id       uuid NOT NULL REFERENCES users,          -- no cascade: it would leave objects behind without a row
    status        text NOT NULL DEFAULT 'CREATED'
                  CHECK (status IN ('CREATED', 'UPLOADED', 'PROCESSING', 'COMPLETED', 'FAILED')),
    duration_secs double precision NOT NULL CHECK (duration_secs >= 0 AND duration_secs < 'Infinity'),
    language      text NOT NULL DEFAULT 'en',
    topic         text,
    audio_key     text NOT NULL UNIQUE,                    -- where the recording lies, or, while CREATED, may come to lie
    content_type  text NOT NULL,
    size          bigint NOT NULL CHECK (size BETWEEN 1 AND 52428800),
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX speaking_sessions_page ON speaking_sessions (user_id, created_at DESC, id DESC);
CREATE INDEX speaking_sessions_abandoned ON speaking_sessions (created_at) WHERE status = 'CREATED';

-- Both are written by what processes recordings, which is not part of this bundle; the API serves what it finds.
CREATE TABLE transcripts (
    session_id uuid PRIMARY KEY REFERENCES speaking_sessions ON DELETE CASCADE,
    text       text NOT NULL,
    language   text,
    segments   jsonb NOT NULL DEFAULT '[]'                 -- [{"startSecs", "endSecs", "text"}, …]
               CHECK (jsonb_typeof(segments) = 'array'),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE insights (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    session_id uuid NOT NULL REFERENCES speaking_sessions ON DELETE CASCADE,
    category   text NOT NULL,                              -- "pace", "grammar", …: a growing list of the analysis
    severity   text NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    message    text NOT NULL,
    suggestion text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX insights_of_session ON insights (session_id);
