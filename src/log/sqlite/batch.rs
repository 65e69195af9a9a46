//! What one group does inside a batch's transaction: first every check, then every write. A group that is refused has
//! written nothing, so the groups beside it need no savepoint.

use std::collections::HashSet;

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{ClaimId, PersonId};
use chrysalis_projections::claims::ClaimKind;
use rusqlite::{Connection, OptionalExtension, params};

use super::events::EventWriter;
use super::reader::json;
use super::rows::{Leaving, RowWriter};
use crate::log::origins::{Networks, Origin};
use crate::log::quota::Counts;
use crate::log::{Append, Appended, Claim, Expected, Group, Idempotency, Position, Refused, StreamId, Version};

/// The log's end as the batch sees it; becomes the store's when the batch is committed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    pub(super) position: Position,
    pub(super) recorded_at: Timestamp,
    /// The version of the settings.
    pub(super) settings: Version,
}

/// What a batch holds back until its end, for what is written at once costs less.
pub(super) struct Held<'w> {
    epochs: Epochs,
    events: EventWriter<'w>,
    counts: Counts<'w>,
    leaving: Leaving<'w>,
    gone: Gone<'w>,
}

/// Whether persons' keys are stored that were wrapped in an epoch that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Epochs {
    /// None is: whoever brings one is refused.
    Standing,
    /// They are: what stands in a log elsewhere stands.
    Any,
}

/// Whoever goes in a batch.
#[derive(Default)]
struct Gone<'w> {
    users: Vec<&'w str>,
    persons: HashSet<PersonId>,
}

impl Held<'_> {
    pub(super) fn new(epochs: Epochs) -> Self {
        let (events, counts) = (EventWriter::new(), Counts::default());
        Self { epochs, events, counts, leaving: Leaving::default(), gone: Gone::default() }
    }

    /// Writes what is left.
    pub(super) fn finish(&mut self, connection: &Connection, rows: &mut RowWriter) -> rusqlite::Result<()> {
        self.events.finish(connection)?;
        self.leaving.finish(connection, rows)?;
        self.gone.erase(connection)?;
        put_quotas(connection, &self.counts)
    }
}

pub(super) fn store<'w>(
    connection: &Connection,
    rows: &mut RowWriter,
    held_back: &mut Held<'w>,
    head: &mut Head,
    group: &'w Group,
) -> rusqlite::Result<Result<Appended, Refused>> {
    let Held { epochs, events, counts, leaving, gone } = held_back;
    let now = head.recorded_at;
    if let Some(refused) = repeated(connection, group.idempotency.as_ref(), now)? {
        return Ok(Err(refused));
    }
    if group.rests_on_settings && group.context.settings_version != head.settings {
        return Ok(Err(Refused::Settings { actual: head.settings }));
    }
    let mut versions = Vec::with_capacity(group.appends.len());
    for append in &group.appends {
        match version(connection, events, append)? {
            Ok(version) => versions.push(version),
            Err(refused) => return Ok(Err(refused)),
        }
    }
    for claim in &group.claims {
        if let Some(refused) = held(connection, group, claim)? {
            return Ok(Err(refused));
        }
    }
    for person in group.seals_for() {
        if gone.persons.contains(&person) || !is_known(connection, person)? {
            return Ok(Err(Refused::Erased { person }));
        }
    }
    learn_quotas(connection, counts, group)?;
    if let Err(refused) = counts.room(&group.quotas, now) {
        return Ok(Err(refused));
    }

    counts.take(&group.quotas, now);
    put_sealed(connection, group, *epochs)?;
    put_origin(connection, group)?;
    let first = head.position + 1;
    for (append, version) in group.appends.iter().zip(&mut versions) {
        for event in &append.events {
            *version += 1;
            head.position += 1;
            events.write(connection, &group.context, append, event, *head, *version)?;
            for change in &event.changes {
                leaving.write(connection, rows, change)?;
            }
        }
        put_snapshot(connection, append, *version)?;
        if append.stream == *StreamId::settings() {
            head.settings = *version;
        }
    }
    gone.persons.extend(&group.erase);
    gone.users.extend(group.departed());
    let last = head.position;
    if let Some(idempotency) = &group.idempotency {
        put_idempotency(connection, idempotency, first, last, now)?;
    }
    Ok(Ok(Appended { first, last, recorded_at: now, versions }))
}

fn repeated(
    connection: &Connection,
    idempotency: Option<&Idempotency>,
    now: Timestamp,
) -> rusqlite::Result<Option<Refused>> {
    let Some(idempotency) = idempotency else { return Ok(None) };
    let sql =
        "SELECT first_position, last_position, recorded_at, note FROM idempotency WHERE key = ?1 AND expires_at > ?2";
    connection
        .prepare_cached(sql)?
        .query_row(params![idempotency.key, now.as_millis()], |row| {
            Ok(Refused::Repeated {
                first: row.get(0)?,
                last: row.get(1)?,
                recorded_at: Timestamp::from_millis(row.get(2)?),
                note: row.get(3)?,
            })
        })
        .optional()
}

/// The version that stands, if it is the one expected.
fn version(
    connection: &Connection,
    events: &EventWriter<'_>,
    append: &Append,
) -> rusqlite::Result<Result<Version, Refused>> {
    let actual = match events.version(&append.stream) {
        Some(version) => version,
        None => standing(connection, &append.stream)?,
    };
    Ok(if append.expected.holds(actual) {
        Ok(actual)
    } else {
        Err(Refused::Version { stream: append.stream.clone(), actual })
    })
}

/// The version of a stream as it was before the batch; 0 is none.
pub(super) fn standing(connection: &Connection, stream: &StreamId) -> rusqlite::Result<Version> {
    let sql = "SELECT version FROM events WHERE stream = ?1 ORDER BY version DESC LIMIT 1";
    let found = connection.prepare_cached(sql)?.query_row([stream.as_str()], |row| row.get(0));
    Ok(found.optional()?.unwrap_or(0))
}

/// What stands in the way of the claim, under whichever look-up key, unless this very group releases it.
fn held(connection: &Connection, group: &Group, claim: &Claim) -> rusqlite::Result<Option<Refused>> {
    for hash in claim.key.hashes() {
        if let Some(by) = holder(connection, claim.key.kind, hash)?.filter(|by| !group.releases(*by)) {
            return Ok(Some(Refused::ClaimHeld { claim: claim.claim, by }));
        }
    }
    Ok(None)
}

fn holder(connection: &Connection, kind: ClaimKind, hash: &[u8]) -> rusqlite::Result<Option<ClaimId>> {
    let sql = "SELECT claim_id FROM claims WHERE kind = ?1 AND hash = ?2";
    let found = connection.prepare_cached(sql)?.query_row(params![kind.name(), hash], |row| row.get::<_, String>(0));
    // A row that no fold wrote.
    found.optional()?.map(|claim| claim.parse().map_err(|_| rusqlite::Error::InvalidQuery)).transpose()
}

fn learn_quotas<'w>(connection: &Connection, counts: &mut Counts<'w>, group: &'w Group) -> rusqlite::Result<()> {
    for quota in &group.quotas {
        if !counts.knows(&quota.key) {
            let found: Option<Vec<u8>> = connection
                .prepare_cached("SELECT stamps FROM quotas WHERE key = ?1")?
                .query_row([&quota.key], |row| row.get(0))
                .optional()?;
            counts.learn(&quota.key, found.as_deref());
        }
    }
    Ok(())
}

fn put_quotas(connection: &Connection, counts: &Counts<'_>) -> rusqlite::Result<()> {
    let sql = "INSERT INTO quotas (key, stamps, expires_at) VALUES (?1, ?2, ?3)
               ON CONFLICT (key) DO UPDATE SET stamps = excluded.stamps, expires_at = excluded.expires_at";
    for left in counts.left() {
        connection.prepare_cached(sql)?.execute(params![left.key, left.stamps, left.expires_at])?;
    }
    Ok(())
}

fn put_sealed(connection: &Connection, group: &Group, epochs: Epochs) -> rusqlite::Result<()> {
    for key in &group.person_keys {
        let sql = match epochs {
            // An epoch that is over is none: the row is refused.
            Epochs::Standing => {
                "INSERT INTO person_keys (person_id, epoch, wrapped) VALUES (?1,
                     (SELECT id FROM keys WHERE purpose = 'person-kek' AND id = ?2 AND retired_at IS NULL), ?3)"
            }
            Epochs::Any => "INSERT INTO person_keys (person_id, epoch, wrapped) VALUES (?1, ?2, ?3)",
        };
        connection.prepare_cached(sql)?.execute(params![key.person.to_string(), key.epoch, key.wrapped])?;
    }
    for record in &group.sealed {
        let sql = "INSERT INTO sealed (sealed_id, person_id, kind, salt, ciphertext) VALUES (?1, ?2, ?3, ?4, ?5)";
        let values =
            params![record.id.to_string(), record.person.to_string(), record.kind, record.salt, record.ciphertext];
        connection.prepare_cached(sql)?.execute(values)?;
    }
    Ok(())
}

fn put_origin(connection: &Connection, group: &Group) -> rusqlite::Result<()> {
    if let Some(Origin { user, at, networks }) = &group.origin {
        let sql = "INSERT INTO origins (user_id, created_at, key_id, network, network56, network48)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let Networks { key_id, network, network56, network48 } = networks;
        let values = params![user.to_string(), at.as_millis(), key_id, network, network56, network48];
        connection.prepare_cached(sql)?.execute(values)?;
    }
    Ok(())
}

fn is_known(connection: &Connection, person: PersonId) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM person_keys WHERE person_id = ?1";
    connection.prepare_cached(sql)?.exists([person.to_string()])
}

impl Gone<'_> {
    /// Keys, what is sealed under them, and where its people came from.
    fn erase(&self, connection: &Connection) -> rusqlite::Result<()> {
        if !self.persons.is_empty() {
            let persons: Vec<_> = self.persons.iter().map(ToString::to_string).collect();
            let persons = json(persons.iter().map(String::as_str));
            for sql in [
                "DELETE FROM person_keys WHERE person_id IN (SELECT value FROM json_each(?1))",
                "DELETE FROM sealed WHERE person_id IN (SELECT value FROM json_each(?1))",
            ] {
                connection.prepare_cached(sql)?.execute([&persons])?;
            }
        }
        if !self.users.is_empty() {
            let sql = "DELETE FROM origins WHERE user_id IN (SELECT value FROM json_each(?1))";
            connection.prepare_cached(sql)?.execute([json(self.users.iter().copied())])?;
        }
        Ok(())
    }
}

fn put_snapshot(connection: &Connection, append: &Append, version: Version) -> rusqlite::Result<()> {
    let (Some(state), Expected::Exact(_)) = (&append.snapshot, append.expected) else { return Ok(()) };
    let sql = "INSERT INTO snapshots (stream, version, state) VALUES (?1, ?2, ?3)
               ON CONFLICT (stream) DO UPDATE SET version = excluded.version, state = excluded.state
               WHERE excluded.version > snapshots.version";
    connection.prepare_cached(sql)?.execute(params![append.stream.as_str(), version, state])?;
    Ok(())
}

fn put_idempotency(
    connection: &Connection,
    idempotency: &Idempotency,
    first: Position,
    last: Position,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO idempotency (key, first_position, last_position, recorded_at, note, expires_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let expires = (now + idempotency.keep).as_millis();
    connection.prepare_cached(sql)?.execute(params![
        idempotency.key,
        first,
        last,
        now.as_millis(),
        idempotency.note,
        expires
    ])?;
    Ok(())
}

/// Removes some side rows that no longer count. Bounded, so that no batch pays for a long absence.
pub(super) fn tidy(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    for table in ["quotas", "idempotency"] {
        let sql =
            format!("DELETE FROM {table} WHERE key IN (SELECT key FROM {table} WHERE expires_at <= ?1 LIMIT 256)");
        connection.prepare_cached(&sql)?.execute([now.as_millis()])?;
    }
    Ok(())
}
