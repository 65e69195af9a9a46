-- What cannot be rebuilt from anything else: the log, the sealed records and the keys that open them, and the side
-- rows that are exempt from "if it is not in an event, it did not happen" (quotas, idempotency, checkpoints).
-- Read models are not here: they are made from their definitions in projections/ and folded from the log.

CREATE TABLE events (
    position         INTEGER PRIMARY KEY,      -- dense, in commit order
    project          TEXT    NOT NULL,
    stream           TEXT    NOT NULL,
    version          INTEGER NOT NULL,
    event_id         TEXT    NOT NULL,
    type             TEXT    NOT NULL,
    type_version     INTEGER NOT NULL,
    recorded_at      INTEGER NOT NULL,         -- ms; never falls as position rises
    occurred_at      INTEGER NOT NULL,         -- ms; the decision's clock
    actor_type       TEXT    NOT NULL,
    actor_id         TEXT,
    actor_by         TEXT,
    impersonator     TEXT,
    request_id       TEXT,
    command_id       TEXT    NOT NULL,
    cause            TEXT,
    settings_version INTEGER NOT NULL,
    sealed           BLOB    NOT NULL,         -- (record id, commitment) pairs
    body             BLOB    NOT NULL          -- exact bytes
) STRICT;

CREATE UNIQUE INDEX events_stream ON events (stream, version);

-- The log only grows. Not a defence against someone who owns the file (that is the Merkle tree's work), but against
-- every mistake in between.
CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER events_are_never_removed BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TABLE sealed (
    sealed_id  TEXT NOT NULL PRIMARY KEY,
    person_id  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    salt       BLOB NOT NULL,
    ciphertext BLOB NOT NULL
) STRICT;

CREATE TABLE person_keys (
    person_id TEXT    NOT NULL PRIMARY KEY,
    epoch     INTEGER NOT NULL,                -- the key encryption key that wrapped it
    wrapped   BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    purpose    TEXT    NOT NULL,
    id         INTEGER NOT NULL,
    root       TEXT    NOT NULL,               -- which root secret wrapped it
    wrapped    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (purpose, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshots (
    stream  TEXT    NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    state   BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE quotas (
    key        BLOB    NOT NULL PRIMARY KEY,
    stamps     BLOB    NOT NULL,               -- when each counted group was recorded, 8 bytes each, oldest first
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX quotas_expiry ON quotas (expires_at);

CREATE TABLE idempotency (
    key            BLOB    NOT NULL PRIMARY KEY,
    first_position INTEGER NOT NULL,
    last_position  INTEGER NOT NULL,
    recorded_at    INTEGER NOT NULL,
    note           BLOB    NOT NULL,
    expires_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

CREATE TABLE checkpoints (
    follower TEXT    NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
