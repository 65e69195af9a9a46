-- Where the log is kept elsewhere: batches that are offered to it, until it is known what became of them.
CREATE TABLE staged (
    batch   text   COLLATE "C" PRIMARY KEY,    -- the id of its first event
    behind  bigint NOT NULL,                   -- the position that it belongs behind
    payload bytea  NOT NULL                    -- its groups, with all that is stored with their events
);
