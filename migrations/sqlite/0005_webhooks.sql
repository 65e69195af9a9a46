-- What whoever delivers to webhook endpoints keeps of it: too much to be events, and too good to be forgotten. How far each
-- endpoint has come stands in checkpoints.

-- How deliveries to an endpoint went.
CREATE TABLE webhook_tallies (
    webhook_id   TEXT    NOT NULL PRIMARY KEY,
    arrived      INTEGER NOT NULL,
    lost_before  INTEGER NOT NULL,             -- how many had been lost when the last one arrived
    last_at      INTEGER,                      -- ms; the last attempt
    last_arrived INTEGER NOT NULL,
    replays      INTEGER NOT NULL              -- those that were begun
) STRICT, WITHOUT ROWID;

-- Streams whose next message to an endpoint is tried again later. Everything of the stream before it is done; what comes
-- behind it, up to the endpoint's checkpoint, is not.
CREATE TABLE webhook_waiting (
    webhook_id TEXT    NOT NULL,
    stream     TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    nth        INTEGER NOT NULL,               -- which of the messages of that event
    attempts   INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    PRIMARY KEY (webhook_id, stream)
) STRICT, WITHOUT ROWID;
