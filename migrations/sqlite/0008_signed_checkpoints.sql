-- What was signed of the log, for ever: evidence, and so nothing that is made anew. The tree itself is a read model.
CREATE TABLE signed_checkpoints (
    size      INTEGER PRIMARY KEY,             -- it is about positions 1 to this one
    root      BLOB    NOT NULL,
    note      TEXT    NOT NULL,                -- as it was signed
    signed_at INTEGER NOT NULL                 -- ms
) STRICT;

-- Of one size there is one. (The insert's trigger is for "insert or replace", which asks no trigger before it removes.)
CREATE TRIGGER signed_once BEFORE INSERT ON signed_checkpoints
    WHEN EXISTS (SELECT 1 FROM signed_checkpoints WHERE size = NEW.size)
    BEGIN SELECT RAISE(ABORT, 'a checkpoint of that size was signed already'); END;
CREATE TRIGGER signed_and_never_changed BEFORE UPDATE ON signed_checkpoints
    BEGIN SELECT RAISE(ABORT, 'what was signed stays'); END;
CREATE TRIGGER signed_and_never_removed BEFORE DELETE ON signed_checkpoints
    BEGIN SELECT RAISE(ABORT, 'what was signed stays'); END;
