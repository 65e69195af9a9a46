-- Where the log is kept elsewhere: names that are reserved there while a batch that claims them is under way.
CREATE TABLE reserved (
    stream  TEXT    NOT NULL,                  -- the stream in which it is reserved
    claim   TEXT    NOT NULL,                  -- for whom
    PRIMARY KEY (stream, claim)
) STRICT, WITHOUT ROWID;

-- The key that names these streams: the newest. When it goes, their names say nothing any more.
CREATE TABLE reservation_keys (
    id      INTEGER NOT NULL PRIMARY KEY,
    secret  BLOB    NOT NULL                   -- 32 random bytes
) STRICT;
