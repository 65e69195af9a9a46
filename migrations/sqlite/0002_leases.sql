-- Who does what only one process at a time should do, until when (ms). Processes share a file while an old server hands
-- over to a new one.
CREATE TABLE leases (
    name       TEXT    NOT NULL PRIMARY KEY,
    holder     TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
