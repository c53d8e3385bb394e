-- What a user deletes. A deleted upload session stays as a tombstone, without its user, its names and its files, until
-- nothing that was under way can leave anything in the bucket. A user who is forgotten stays as an empty row until the
-- last recording is gone.

ALTER TABLE upload_sessions
    DROP CONSTRAINT upload_sessions_status_check,
    ADD CONSTRAINT upload_sessions_status_check
        CHECK (status IN ('active', 'finalizing', 'completed', 'expired', 'aborted', 'deleted'));
CREATE INDEX upload_sessions_tombstones ON upload_sessions (ended_at)
    WHERE status = 'deleted' AND purge_after IS NULL AND delete_after IS NULL;

ALTER TABLE users ALTER COLUMN external_id DROP NOT NULL;  -- NULL: forgotten
CREATE INDEX users_forgotten ON users (updated_at) WHERE external_id IS NULL;

-- The names in an unfinished session's declarations are kept for a month, as those of the sessions to come.
UPDATE upload_sessions SET delete_after = ended_at + interval '30 days' WHERE status IN ('expired', 'aborted');

-- Unfinished sessions are kept for a month, so it is the last month that tells how many succeed.
CREATE OR REPLACE VIEW upload_session_days AS
WITH sessions AS (
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day, status, failure_reason, created_at, ended_at
      FROM upload_sessions
     WHERE status <> 'deleted' AND created_at > now() - interval '30 days'
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
