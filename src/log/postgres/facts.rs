//! What the checks of a batch rest on, read at the beginning of its transaction: one round trip.
//!
//! Streams that exist and quotas are locked while they are read, each kind in one order on every node, so that no two
//! batches wait for each other; claims and idempotency keys are held by their unique indexes.

use std::collections::{HashMap, HashSet};

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{ClaimId, PersonId};
use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::cells::Cells;
use super::pipeline::Pipeline;
use super::writer::Failure;
use crate::log::quota::Counts;
use crate::log::{Claim, Expected, Group, LogFault, Position, Refused, Version};

/// What stands.
#[derive(Default)]
pub(super) struct Facts<'w> {
    pub(super) now: Timestamp,
    /// The version of the settings.
    pub(super) settings: Version,
    pub(super) versions: HashMap<&'w str, Version>,
    /// Claims that stand, by kind and hash.
    pub(super) holders: HashMap<(&'static str, &'w [u8]), ClaimId>,
    pub(super) counts: Counts<'w>,
    /// What a repetition of a key is told.
    pub(super) used: HashMap<&'w [u8], Refused>,
    /// Those of the persons asked about who were not erased.
    pub(super) persons: HashSet<PersonId>,
}

pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const LOCK_STREAMS: &str =
    "SELECT FROM events WHERE stream = ANY($1) AND version = 1 ORDER BY stream FOR NO KEY UPDATE";
const VERSIONS: &str =
    "SELECT s.stream, (SELECT version FROM events e WHERE e.stream = s.stream ORDER BY version DESC LIMIT 1)
     FROM unnest($1::text[]) AS s(stream)";
const HOLDERS: &str = "SELECT c.kind, c.hash, c.claim_id
     FROM unnest($1::text[], $2::bytea[]) AS q(kind, hash) JOIN claims c ON c.kind = q.kind AND c.hash = q.hash";
const QUOTAS: &str = "SELECT key, stamps FROM quotas WHERE key = ANY($1) ORDER BY key FOR UPDATE";
const USED: &str =
    "SELECT key, first_position, last_position, recorded_at, note, expires_at FROM idempotency WHERE key = ANY($1)";
/// Whoever erases one of them waits until what is sealed for them is stored, and erases it too.
const PERSONS: &str = "SELECT person_id FROM person_keys WHERE person_id = ANY($1) ORDER BY person_id FOR KEY SHARE";
const HEAD: &str = "SELECT recorded_at, settings_version FROM log_head";

/// What a batch has to know before it can be checked. A stream that is expected not to exist is not looked for unless
/// `careful`: ids are new, and should one not be, the index over the events refuses the batch, which is then tried again
/// with care.
pub(super) struct Questions<'w> {
    streams: Vec<&'w str>,
    /// Streams that may exist: they are locked.
    standing: Vec<&'w str>,
    claims: Vec<(&'static str, &'w [u8])>,
    quotas: Vec<&'w [u8]>,
    keys: Vec<&'w [u8]>,
    persons: Vec<PersonId>,
    /// Its groups were decided by different settings: some of them by none that stand.
    disagree: bool,
}

impl<'w> Questions<'w> {
    pub(super) fn of(groups: &[&'w Group], careful: bool) -> Self {
        let appends = || groups.iter().flat_map(|group| &group.appends);
        let hashes = |claim: &'w Claim| claim.key.hashes().map(|hash| (claim.key.kind.name(), hash.as_slice()));
        let standing: Vec<&'w str> = sorted(
            appends().filter(|append| append.expected != Expected::NoStream).map(|append| append.stream.as_str()),
        );
        let mut settings = settings_of(groups);
        let first = settings.next();
        Self {
            disagree: settings.any(|version| Some(version) != first),
            streams: if careful { sorted(appends().map(|append| append.stream.as_str())) } else { standing.clone() },
            standing,
            claims: sorted(groups.iter().flat_map(|group| &group.claims).flat_map(hashes)),
            quotas: sorted(groups.iter().flat_map(|group| &group.quotas).map(|quota| quota.key.as_slice())),
            keys: sorted(groups.iter().filter_map(|group| group.idempotency.as_ref()).map(|used| used.key.as_slice())),
            persons: sorted(groups.iter().flat_map(|group| group.seals_for())),
        }
    }

    /// Nothing to ask: the batch needs no first round trip.
    pub(super) fn is_empty(&self) -> bool {
        let asked = [self.streams.len(), self.claims.len(), self.quotas.len(), self.keys.len(), self.persons.len()];
        asked == [0; 5] && !self.disagree
    }

    /// Begins the transaction and reads. `clock` is this node's; the log's own time may be ahead of it.
    pub(super) async fn ask(self, client: &ClientWrapper, clock: Timestamp) -> Result<Facts<'w>, Failure> {
        let Self { streams, standing, claims, quotas, keys, persons, disagree: _ } = self;
        let mut pipeline = Pipeline::default();
        pipeline.push(BEGIN, &[], vec![]);
        if !standing.is_empty() {
            pipeline.push(LOCK_STREAMS, &[Type::TEXT_ARRAY], vec![Cells::texts(standing)]);
        }
        let counted = (!quotas.is_empty())
            .then(|| pipeline.push(QUOTAS, &[Type::BYTEA_ARRAY], vec![Cells::bytes(quotas.iter().copied())]));
        let versions = (!streams.is_empty())
            .then(|| pipeline.push(VERSIONS, &[Type::TEXT_ARRAY], vec![Cells::texts(streams.iter().copied())]));
        let held = (!claims.is_empty()).then(|| {
            let kinds = Cells::texts(claims.iter().map(|(kind, _)| *kind));
            let hashes = Cells::bytes(claims.iter().map(|(_, hash)| *hash));
            pipeline.push(HOLDERS, &[Type::TEXT_ARRAY, Type::BYTEA_ARRAY], vec![kinds, hashes])
        });
        let used = (!keys.is_empty())
            .then(|| pipeline.push(USED, &[Type::BYTEA_ARRAY], vec![Cells::bytes(keys.iter().copied())]));
        let known = (!persons.is_empty())
            .then(|| pipeline.push(PERSONS, &[Type::TEXT_ARRAY], vec![Cells::made(persons.iter().copied())]));
        let head = pipeline.push(HEAD, &[], vec![]);
        let rows = pipeline.run(client).await?;
        let rows_of = |asked: Option<usize>| asked.map_or(&[] as &[Row], |at| rows[at].as_slice());

        let head = rows[head].first().ok_or_else(|| Failure::bug("the log has no head"))?;
        let mut facts = Facts {
            now: clock.max(Timestamp::from_millis(head.try_get(0)?)),
            settings: number(head.try_get(1)?),
            ..Facts::default()
        };
        for row in rows_of(versions) {
            let (stream, version): (&str, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
            if let Ok(index) = streams.binary_search(&stream) {
                facts.versions.insert(streams[index], number(version.unwrap_or(0)));
            }
        }
        for row in rows_of(held) {
            let (kind, hash): (&str, &[u8]) = (row.try_get(0)?, row.try_get(1)?);
            if let Ok(index) = claims.binary_search(&(kind, hash)) {
                facts.holders.insert(claims[index], holder(row)?);
            }
        }
        for row in rows_of(counted) {
            let (key, stamps): (&[u8], &[u8]) = (row.try_get(0)?, row.try_get(1)?);
            if let Ok(index) = quotas.binary_search(&key) {
                facts.counts.learn(quotas[index], Some(stamps));
            }
        }
        for row in rows_of(used) {
            let (key, expires_at): (&[u8], i64) = (row.try_get(0)?, row.try_get(5)?);
            if let (Ok(index), true) = (keys.binary_search(&key), expires_at > facts.now.as_millis()) {
                facts.used.insert(keys[index], repeated(row)?);
            }
        }
        for row in rows_of(known) {
            facts.persons.extend(row.try_get::<_, &str>(0)?.parse::<PersonId>().ok());
        }
        Ok(facts)
    }
}

/// The settings that groups were decided by.
pub(super) fn settings_of<'g>(groups: &'g [&Group]) -> impl Iterator<Item = Version> + 'g {
    groups.iter().filter(|group| group.rests_on_settings).map(|group| group.context.settings_version)
}

fn sorted<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.sort_unstable();
    all.dedup();
    all
}

pub(super) fn number(stored: i64) -> Position {
    stored.cast_unsigned()
}

fn holder(row: &Row) -> Result<ClaimId, Failure> {
    let claim: &str = row.try_get(2)?;
    claim.parse().map_err(|_| {
        Failure::Fault(LogFault::Damaged(format!(
            "the claim {claim} does not read; run `chrysalis projections rebuild`"
        )))
    })
}

fn repeated(row: &Row) -> Result<Refused, Failure> {
    Ok(Refused::Repeated {
        first: number(row.try_get(1)?),
        last: number(row.try_get(2)?),
        recorded_at: Timestamp::from_millis(row.try_get(3)?),
        note: row.try_get(4)?,
    })
}
