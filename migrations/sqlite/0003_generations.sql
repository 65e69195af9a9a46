-- Which generations stand of each read model that follows the log, and how far each is folded. A generation's rows and its
-- position change together; one that is built beside the live one takes its place when it has caught up.
CREATE TABLE generations (
    model    TEXT    NOT NULL,
    stage    TEXT    NOT NULL,                 -- live, next
    version  INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (model, stage)
) STRICT, WITHOUT ROWID;
