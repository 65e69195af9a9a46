-- Which network a guest came from, by keyed hashes: for finding and disabling waves of bots. It can't be rebuilt, and it can be
-- forgotten: a row goes with its user, and after a while. Ids are in the order of time, so the key is all the index it takes.
CREATE TABLE origins (
    user_id    TEXT    NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL,
    key_id     INTEGER NOT NULL,               -- the look-up key that made the hashes
    network    BLOB    NOT NULL,               -- IPv4 /32, IPv6 /64
    network56  BLOB,                           -- IPv6 alone, as below
    network48  BLOB
) STRICT, WITHOUT ROWID;
