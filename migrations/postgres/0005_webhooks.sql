-- What whoever delivers to webhook endpoints keeps of it: too much to be events, and too good to be forgotten. How far each
-- endpoint has come stands in checkpoints.

-- How deliveries to an endpoint went.
CREATE TABLE webhook_tallies (
    webhook_id   text COLLATE "C" NOT NULL PRIMARY KEY,
    arrived      bigint NOT NULL,
    lost_before  bigint NOT NULL,                  -- how many had been lost when the last one arrived
    last_at      bigint,                           -- ms; the last attempt
    last_arrived bigint NOT NULL,
    replays      bigint NOT NULL                   -- those that were begun
);

-- Streams whose next message to an endpoint is tried again later. Everything of the stream before it is done; what comes
-- behind it, up to the endpoint's checkpoint, is not.
CREATE TABLE webhook_waiting (
    webhook_id text COLLATE "C" NOT NULL,
    stream     text COLLATE "C" NOT NULL,
    version    bigint NOT NULL,
    nth        bigint NOT NULL,                    -- which of the messages of that event
    attempts   bigint NOT NULL,
    due_at     bigint NOT NULL,
    PRIMARY KEY (webhook_id, stream)
);
