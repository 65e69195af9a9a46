-- Where the log is kept elsewhere: names that are reserved there while a batch that claims them is under way.
CREATE TABLE reserved (
    stream  text   COLLATE "C" NOT NULL,       -- the stream in which it is reserved
    claim   text   COLLATE "C" NOT NULL,       -- for whom
    PRIMARY KEY (stream, claim)
);

-- The key that names these streams: the newest. When it goes, their names say nothing any more.
CREATE TABLE reservation_keys (
    id      bigint PRIMARY KEY,
    secret  bytea  NOT NULL                    -- 32 random bytes
);
