-- A client takes a state only if its revision is higher than the one it has. Every change raises it, whoever makes it.

CREATE FUNCTION raise_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := OLD.revision + 1;
    RETURN NEW;
END
$$;

ALTER TABLE uploads ADD COLUMN revision bigint NOT NULL DEFAULT 0;
ALTER TABLE upload_sessions ADD COLUMN revision bigint NOT NULL DEFAULT 0;
ALTER TABLE speaking_sessions ADD COLUMN revision bigint NOT NULL DEFAULT 0;

CREATE TRIGGER uploads_revision BEFORE UPDATE ON uploads
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION raise_revision();
CREATE TRIGGER upload_sessions_revision BEFORE UPDATE ON upload_sessions
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION raise_revision();
CREATE TRIGGER speaking_sessions_revision BEFORE UPDATE ON speaking_sessions
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION raise_revision();
