-- What was signed of the log, for ever: evidence, and so nothing that is made anew. The tree itself is a read model.
CREATE TABLE signed_checkpoints (
    size      bigint NOT NULL PRIMARY KEY,     -- it is about positions 1 to this one
    root      bytea  NOT NULL,
    note      text   NOT NULL,                 -- as it was signed
    signed_at bigint NOT NULL                  -- ms
);

-- Of one size there is one. Row by row: an insert that would replace is a matter of the rows that it meets.
CREATE FUNCTION what_was_signed_stays() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'what was signed stays'; END $$;
CREATE TRIGGER signed_and_never_changed BEFORE UPDATE OR DELETE ON signed_checkpoints
    FOR EACH ROW EXECUTE FUNCTION what_was_signed_stays();
CREATE TRIGGER signed_and_never_emptied BEFORE TRUNCATE ON signed_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION what_was_signed_stays();
