-- Whoever watches a topic is pushed its state: after each change, in the answer to the change's own statement, Postgres
-- says who they are. A statement of a table module need not ask, and none can forget to.

CREATE TABLE live_tickets (
    hash text PRIMARY KEY, -- SHA-256; the ticket itself is nowhere
    topic text NOT NULL,
    user_id text, -- the claim `sub`; NULL for an image job, which has no user
    expires_at timestamptz NOT NULL
);
CREATE INDEX live_tickets_expires_at ON live_tickets (expires_at);
CREATE INDEX live_tickets_user_id ON live_tickets (user_id) WHERE user_id IS NOT NULL;

CREATE TABLE live_connections (
    connection_id text PRIMARY KEY, -- API Gateway's
    topic text NOT NULL,
    user_id text,
    reported_at timestamptz, -- when its viewer last reported bytes sent
    expires_at timestamptz NOT NULL
);
CREATE INDEX live_connections_topic ON live_connections (topic);
CREATE INDEX live_connections_expires_at ON live_connections (expires_at);
CREATE INDEX live_connections_user_id ON live_connections (user_id) WHERE user_id IS NOT NULL;

CREATE FUNCTION name_watchers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    watched CONSTANT text := TG_ARGV[0] || ':' || NEW.id;
    watchers jsonb;
BEGIN
    SELECT jsonb_build_object('topic', watched, 'user_id', min(user_id), 'connections', jsonb_agg(connection_id))
      INTO watchers FROM live_connections WHERE topic = watched AND expires_at > now() HAVING count(*) > 0;
    IF watchers IS NOT NULL THEN
        RAISE NOTICE USING MESSAGE = watchers::text, ERRCODE = 'LIVE0';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER uploads_watchers AFTER UPDATE ON uploads
    FOR EACH ROW WHEN (NEW.revision <> OLD.revision) EXECUTE FUNCTION name_watchers('image_job');
CREATE TRIGGER upload_sessions_watchers AFTER UPDATE ON upload_sessions
    FOR EACH ROW WHEN (NEW.revision <> OLD.revision) EXECUTE FUNCTION name_watchers('upload_session');
CREATE TRIGGER speaking_sessions_watchers AFTER UPDATE ON speaking_sessions
    FOR EACH ROW WHEN (NEW.revision <> OLD.revision) EXECUTE FUNCTION name_watchers('speaking_session');
