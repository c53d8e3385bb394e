-- Recordings are analysed by a workflow of their own; the ledger of paid calls serves both workflows.

ALTER TABLE generations ADD COLUMN step text NOT NULL DEFAULT 'generating';
ALTER TABLE generations DROP CONSTRAINT generations_pkey, ADD PRIMARY KEY (upload_id, attempt, step);

ALTER TABLE speaking_sessions
    ADD COLUMN stage text
        CHECK (stage IN ('preparing', 'transcribing', 'analysing', 'completing', 'complete', 'failed')),
    ADD COLUMN progress integer NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    ADD COLUMN attempt integer NOT NULL DEFAULT 0 CHECK (attempt BETWEEN 0 AND 3), -- 0: nobody has asked for an analysis
    ADD COLUMN workflow_run_id text,
    ADD COLUMN error_message text,
    ADD COLUMN final boolean NOT NULL DEFAULT false, -- the recording itself was refused: not analysed again
    ADD COLUMN metrics jsonb;
CREATE INDEX speaking_sessions_analysed ON speaking_sessions (updated_at)
    WHERE status IN ('UPLOADED', 'PROCESSING') AND attempt > 0;

ALTER TABLE transcripts
    ADD COLUMN engine text NOT NULL DEFAULT 'unknown'; -- who wrote it down: local, gemini
ALTER TABLE transcripts ALTER COLUMN engine DROP DEFAULT;
ALTER TABLE insights ADD COLUMN start_secs double precision; -- where in the recording, if anywhere

-- The ledger of paid calls of the speech models, as `generations` is of the image model.
CREATE TABLE speech_calls (
    session_id uuid NOT NULL REFERENCES speaking_sessions ON DELETE CASCADE,
    attempt    integer NOT NULL,
    step       text NOT NULL CHECK (step IN ('transcribing', 'analysing')),
    claim      uuid NOT NULL,
    state      text NOT NULL CHECK (state IN ('calling', 'refused', 'timed_out', 'generated')),
    calls      integer NOT NULL DEFAULT 1,
    timeouts   integer NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, attempt, step)
);
