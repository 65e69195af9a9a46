-- What cannot be rebuilt from anything else: the log, the sealed records and the keys that open them, and the side
-- rows that are exempt from "if it is not in an event, it did not happen" (quotas, idempotency, checkpoints, leases).
-- Read models are not here: they are made from their definitions in projections/ and folded from the log.
--
-- Text is compared byte by byte (COLLATE "C"): ids are ASCII, and their order must be the same on every machine.

CREATE TABLE events (
    position         bigint NOT NULL PRIMARY KEY,  -- dense, in commit order
    project          text COLLATE "C" NOT NULL,
    stream           text COLLATE "C" NOT NULL,
    version          bigint NOT NULL,
    event_id         text COLLATE "C" NOT NULL,
    type             text COLLATE "C" NOT NULL,
    type_version     bigint NOT NULL,
    recorded_at      bigint NOT NULL,              -- ms; never falls as position rises
    occurred_at      bigint NOT NULL,              -- ms; the decision's clock
    actor_type       text COLLATE "C" NOT NULL,
    actor_id         text COLLATE "C",
    actor_by         text COLLATE "C",
    impersonator     text COLLATE "C",
    request_id       text COLLATE "C",
    command_id       text COLLATE "C" NOT NULL,
    cause            text COLLATE "C",
    settings_version bigint NOT NULL,
    sealed           bytea NOT NULL,               -- (record id, commitment) pairs
    body             bytea NOT NULL                -- exact bytes
);

-- The first event of a stream stands for it: who appends to a stream that exists locks that row.
CREATE UNIQUE INDEX events_stream ON events (stream, version);

-- Nothing in an event is worth a second look for compression, and most of it is ids.
ALTER TABLE events ALTER COLUMN body SET STORAGE MAIN, ALTER COLUMN sealed SET STORAGE MAIN;

-- The log only grows. Not a defence against someone who owns the database (that is the Merkle tree's work), but against
-- every mistake in between.
CREATE FUNCTION the_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the log is append-only'; END $$;
CREATE TRIGGER events_are_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION the_log_is_append_only();

-- Where the log ends. Its one row's lock orders the batches of all nodes; every batch rewrites it, so it leaves room
-- for many dead versions of itself on its page.
CREATE TABLE log_head (
    one         boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (one),
    position    bigint  NOT NULL,
    recorded_at bigint  NOT NULL
) WITH (fillfactor = 10);
INSERT INTO log_head (position, recorded_at) VALUES (0, 0);

CREATE TABLE sealed (
    sealed_id  text COLLATE "C" NOT NULL PRIMARY KEY,
    person_id  text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    salt       bytea NOT NULL,
    ciphertext bytea NOT NULL
);

CREATE TABLE person_keys (
    person_id text COLLATE "C" NOT NULL PRIMARY KEY,
    epoch     bigint NOT NULL,                     -- the key encryption key that wrapped it
    wrapped   bytea  NOT NULL
);

CREATE TABLE keys (
    purpose    text COLLATE "C" NOT NULL,
    id         bigint NOT NULL,
    root       text COLLATE "C" NOT NULL,          -- which root secret wrapped it
    wrapped    bytea  NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (purpose, id)
);

CREATE TABLE snapshots (
    stream  text COLLATE "C" NOT NULL PRIMARY KEY,
    version bigint NOT NULL,
    state   bytea  NOT NULL
);

CREATE TABLE quotas (
    key        bytea  NOT NULL PRIMARY KEY,
    stamps     bytea  NOT NULL,                    -- when each counted group was recorded, 8 bytes each, oldest first
    expires_at bigint NOT NULL
);
CREATE INDEX quotas_expiry ON quotas (expires_at);

CREATE TABLE idempotency (
    key            bytea  NOT NULL PRIMARY KEY,
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL,
    recorded_at    bigint NOT NULL,
    note           bytea  NOT NULL,
    expires_at     bigint NOT NULL
);
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

CREATE TABLE checkpoints (
    follower text COLLATE "C" NOT NULL PRIMARY KEY,
    position bigint NOT NULL
);

-- Who does what only one node at a time should do, until when by the database's clock.
CREATE TABLE leases (
    name       text COLLATE "C" NOT NULL PRIMARY KEY,
    holder     text COLLATE "C" NOT NULL,
    expires_at timestamptz NOT NULL
);
