//! What a batch writes, in one round trip: side rows and read models first, the log's head last, so that the
//! other nodes wait for this one no longer than it takes to insert the events and to commit.

use std::sync::LazyLock;

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::PersonId;
use deadpool_postgres::ClientWrapper;
use tokio_postgres::types::Type;

use super::cells::Cells;
use super::facts::{BEGIN, number};
use super::pipeline::Pipeline;
use super::rows::RowWriter;
use super::verdicts::{Remains, Verdict};
use super::writer::Failure;
use crate::log::quota::Left;
use crate::log::replica::FOLLOWED;
use crate::log::{Append, Appended, Expected, Group, NewEvent, Position, Refused, SealedRef, Version};

/// The log's end after a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) position: Position,
    pub(super) recorded_at: Timestamp,
}

const COUNT_AGAIN: &str = "UPDATE quotas q SET stamps = i.stamps, expires_at = i.expires_at
     FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) AS i(key, stamps, expires_at) WHERE q.key = i.key";
const COUNT: &str =
    "INSERT INTO quotas (key, stamps, expires_at) SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[])";
const COUNT_TYPES: &[Type] = &[Type::BYTEA_ARRAY, Type::BYTEA_ARRAY, Type::INT8_ARRAY];

/// An epoch that is over is none: the row is refused.
const PERSON_KEYS: &str = "INSERT INTO person_keys (person_id, epoch, wrapped)
     SELECT i.person_id,
            (SELECT k.id FROM keys k WHERE k.purpose = 'person-kek' AND k.id = i.epoch AND k.retired_at IS NULL),
            i.wrapped
     FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS i(person_id, epoch, wrapped)";
/// What stands in a log elsewhere stands.
const PERSON_KEYS_ANY: &str = "INSERT INTO person_keys (person_id, epoch, wrapped)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[])";
const PERSON_KEYS_TYPES: &[Type] = &[Type::TEXT_ARRAY, Type::INT8_ARRAY, Type::BYTEA_ARRAY];

const SEALED: &str = "INSERT INTO sealed (sealed_id, person_id, kind, salt, ciphertext)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bytea[])";
const SEALED_TYPES: &[Type] =
    &[Type::TEXT_ARRAY, Type::TEXT_ARRAY, Type::TEXT_ARRAY, Type::BYTEA_ARRAY, Type::BYTEA_ARRAY];

const ORIGINS: &str = "INSERT INTO origins (user_id, created_at, key_id, network, network56, network48)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bytea[])";
const ORIGINS_TYPES: &[Type] =
    &[Type::TEXT_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::BYTEA_ARRAY, Type::BYTEA_ARRAY, Type::BYTEA_ARRAY];
const FORGET_ORIGINS: &str = "DELETE FROM origins WHERE user_id = ANY($1)";
const ERASE_KEYS: &str = "DELETE FROM person_keys WHERE person_id = ANY($1)";
const ERASE_SEALED: &str = "DELETE FROM sealed WHERE person_id = ANY($1)";

const SNAPSHOTS: &str = "INSERT INTO snapshots (stream, version, state)
     SELECT DISTINCT ON (i.stream) * FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS i(stream, version, state)
     ORDER BY i.stream, i.version DESC
     ON CONFLICT (stream) DO UPDATE SET version = excluded.version, state = excluded.state
     WHERE excluded.version > snapshots.version";
const SNAPSHOTS_TYPES: &[Type] = &[Type::TEXT_ARRAY, Type::INT8_ARRAY, Type::BYTEA_ARRAY];

/// Takes the head, which orders the batches of all nodes, and appends behind it. The head's row is locked until the
/// commit: who reads on from a position never finds one missing.
///
/// Under that lock, too, the settings are looked at, and where the head stands if that is given: should another node have
/// changed them, the statement divides by zero, which takes the whole batch back.
const EVENTS: &str = "WITH head AS (
         UPDATE log_head SET
             position = position + $1 / CASE WHEN coalesce($21, settings_version) = settings_version
                                              AND coalesce($23, position) = position THEN 1 ELSE 0 END,
             recorded_at = greatest(recorded_at, $2),
             settings_version = coalesce($22, settings_version)
         RETURNING position, recorded_at
     ), stored AS (
         INSERT INTO events (position, project, stream, version, event_id, type, type_version, recorded_at, occurred_at,
                             actor_type, actor_id, actor_by, impersonator, request_id, command_id, cause,
                             settings_version, sealed, body)
         SELECT head.position - $1 + e.nth, e.project, e.stream, e.version, e.event_id, e.type, e.type_version,
                head.recorded_at, e.occurred_at, e.actor_type, e.actor_id, e.actor_by, e.impersonator, e.request_id,
                e.command_id, e.cause, e.settings_version, e.sealed, e.body
         FROM head, unnest($3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::bigint[],
                           $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
                           $17::text[], $18::bigint[], $19::bytea[], $20::bytea[])
              AS e(nth, project, stream, version, event_id, type, type_version, occurred_at, actor_type, actor_id,
                   actor_by, impersonator, request_id, command_id, cause, settings_version, sealed, body)
     )
     SELECT position, recorded_at, pg_notify(current_schema(), position::text) FROM head";
const EVENTS_TYPES: &[Type] = &[
    Type::INT8,
    Type::INT8,
    Type::INT8_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::INT8_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::INT8_ARRAY,
    Type::BYTEA_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT8,
    Type::INT8,
    Type::INT8,
];

const FORGET: &str = "DELETE FROM idempotency WHERE key = ANY($1) AND expires_at <= $2";
/// After the head, which says where the events came to stand.
const REMEMBER: &str = "INSERT INTO idempotency (key, first_position, last_position, recorded_at, note, expires_at)
     SELECT i.key, head.position - $1 + i.first, head.position - $1 + i.last, head.recorded_at, i.note,
            head.recorded_at + i.keep
     FROM log_head head, unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[])
          AS i(key, first, last, note, keep)";
const REMEMBER_TYPES: &[Type] =
    &[Type::INT8, Type::BYTEA_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::BYTEA_ARRAY, Type::INT8_ARRAY];

const UNSTAGE: &str = "DELETE FROM staged WHERE behind <= $1";

static FOLLOW: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO checkpoints (follower, position) VALUES ('{FOLLOWED}', $1)
             ON CONFLICT (follower) DO UPDATE SET position = excluded.position"
    )
});

/// What becomes of a batch that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Stored,
    /// It is taken back: what would become of it was all the question.
    TakenBack,
    /// It is stored because it stands in a log elsewhere, behind this position, and that log is followed up to there.
    Performed(Position, Option<u64>),
}

impl Ending {
    /// Where the log has to end before.
    fn after(self) -> Option<Position> {
        match self {
            Ending::Performed(after, _) => Some(after),
            Ending::Stored | Ending::TakenBack => None,
        }
    }
}

/// A group that is stored, and where its events stand among those of the batch, counted from 1.
struct Stored<'b, 'w> {
    group: &'w Group,
    versions: &'b [Version],
    first: u64,
    last: u64,
}

/// Writes what was accepted and ends the transaction; answers every group. `begin` where no question has begun it.
#[allow(clippy::too_many_arguments, reason = "what a batch is made of")]
pub(super) async fn write(
    client: &ClientWrapper,
    begin: bool,
    ending: Ending,
    rows: &mut RowWriter,
    groups: &[&Group],
    verdicts: &[Verdict],
    left: &Remains<'_>,
    now: Timestamp,
) -> Result<(Vec<Result<Appended, Refused>>, Head), Failure> {
    let stored = placed(groups, verdicts);
    let total = stored.last().map_or(0, |stored| stored.last);
    let changes = stored.iter().flat_map(|stored| &stored.group.appends).flat_map(|append| {
        append.events.iter().flat_map(|event| &event.changes).map(|change| (append.stream.as_str(), change))
    });
    let steps = rows.steps(changes);
    let texts: Vec<_> = steps.iter().map(|step| step.text.clone()).collect();

    let mut pipeline = Pipeline::default();
    if begin {
        pipeline.push(BEGIN, &[], vec![]);
    }
    count(&mut pipeline, &left.quotas);
    seal(&mut pipeline, &stored, ending);
    origins(&mut pipeline, &stored);
    for (step, text) in steps.into_iter().zip(&texts) {
        pipeline.push(&text.sql, &text.types, step.cells);
    }
    erase(&mut pipeline, &stored);
    snapshots(&mut pipeline, &stored);
    let mut cells = events(&stored, left, total, now);
    cells.push(Cells::any(ending.after()));
    let head = pipeline.push(EVENTS, EVENTS_TYPES, cells);
    remember(&mut pipeline, &stored, total, now);
    if let Some(after) = ending.after() {
        pipeline.push(UNSTAGE, &[Type::INT8], vec![Cells::one(after)]);
    }
    if let Ending::Performed(_, Some(place)) = ending {
        pipeline.push(&FOLLOW, &[Type::INT8], vec![Cells::one(place)]);
    }
    pipeline.push(if ending == Ending::TakenBack { "ROLLBACK" } else { "COMMIT" }, &[], vec![]);

    let answers = pipeline.run(client).await?;
    let row = answers[head].first().ok_or_else(|| Failure::bug("the log has no head"))?;
    let head = Head { position: number(row.try_get(0)?), recorded_at: Timestamp::from_millis(row.try_get(1)?) };
    Ok((answer(groups, verdicts, &stored, head, total), head))
}

fn placed<'b, 'w>(groups: &[&'w Group], verdicts: &'b [Verdict]) -> Vec<Stored<'b, 'w>> {
    let mut last = 0;
    let place = |(group, verdict): (&&'w Group, &'b Verdict)| match verdict {
        Verdict::Stored(versions) => {
            let first = last + 1;
            last += group.appends.iter().map(|append| append.events.len() as u64).sum::<u64>();
            Some(Stored { group, versions, first, last })
        }
        Verdict::Refused(_) | Verdict::Repeats(_) => None,
    };
    groups.iter().zip(verdicts).filter_map(place).collect()
}

fn answer(
    groups: &[&Group],
    verdicts: &[Verdict],
    stored: &[Stored<'_, '_>],
    head: Head,
    total: u64,
) -> Vec<Result<Appended, Refused>> {
    let before = head.position - total;
    let recorded_at = head.recorded_at;
    let mut stored = stored.iter();
    let mut answers: Vec<Result<Appended, Refused>> = Vec::with_capacity(groups.len());
    for verdict in verdicts {
        answers.push(match verdict {
            Verdict::Stored(versions) => {
                let (first, last) = stored.next().map_or((0, 0), |stored| (stored.first, stored.last));
                let (first, last) = (before + first, before + last);
                Ok(Appended { first, last, recorded_at, versions: versions.clone() })
            }
            Verdict::Refused(refused) => Err(refused.clone()),
            Verdict::Repeats(index) => {
                let note = groups[*index].idempotency.as_ref().map(|used| used.note.clone()).unwrap_or_default();
                let (first, last) = answers[*index].as_ref().map_or((0, 0), |stored| (stored.first, stored.last));
                Err(Refused::Repeated { first, last, recorded_at, note })
            }
        });
    }
    answers
}

fn count<'w>(pipeline: &mut Pipeline<'w>, left: &'w [Left<'_>]) {
    for (sql, stands) in [(COUNT_AGAIN, true), (COUNT, false)] {
        let counted: Vec<_> = left.iter().filter(|row| row.stands == stands).collect();
        if counted.is_empty() {
            continue;
        }
        let cells = vec![
            Cells::bytes(counted.iter().map(|row| row.key)),
            Cells::bytes(counted.iter().map(|row| row.stamps.as_slice())),
            Cells::integers(counted.iter().map(|row| row.expires_at)),
        ];
        pipeline.push(sql, COUNT_TYPES, cells);
    }
}

fn seal<'w>(pipeline: &mut Pipeline<'w>, stored: &[Stored<'_, 'w>], ending: Ending) {
    let keys: Vec<_> = stored.iter().flat_map(|stored| &stored.group.person_keys).collect();
    if !keys.is_empty() {
        let cells = vec![
            Cells::made(keys.iter().map(|key| key.person)),
            Cells::integers(keys.iter().map(|key| key.epoch)),
            Cells::bytes(keys.iter().map(|key| key.wrapped.as_slice())),
        ];
        let sql = if ending.after().is_some() { PERSON_KEYS_ANY } else { PERSON_KEYS };
        pipeline.push(sql, PERSON_KEYS_TYPES, cells);
    }
    let records: Vec<_> = stored.iter().flat_map(|stored| &stored.group.sealed).collect();
    if !records.is_empty() {
        let cells = vec![
            Cells::made(records.iter().map(|record| record.id)),
            Cells::made(records.iter().map(|record| record.person)),
            Cells::texts(records.iter().map(|record| record.kind)),
            Cells::bytes(records.iter().map(|record| record.salt.as_slice())),
            Cells::bytes(records.iter().map(|record| record.ciphertext.as_slice())),
        ];
        pipeline.push(SEALED, SEALED_TYPES, cells);
    }
}

fn origins<'w>(pipeline: &mut Pipeline<'w>, stored: &[Stored<'_, 'w>]) {
    let all: Vec<_> = stored.iter().filter_map(|stored| stored.group.origin.as_ref()).collect();
    if !all.is_empty() {
        let networks = || all.iter().map(|origin| &origin.networks);
        let cells = vec![
            Cells::made(all.iter().map(|origin| origin.user)),
            Cells::integers(all.iter().map(|origin| origin.at.as_millis())),
            Cells::integers(networks().map(|networks| networks.key_id)),
            Cells::bytes(networks().map(|networks| networks.network.as_slice())),
            Cells::Bytes(networks().map(|networks| networks.network56.as_ref().map(|hash| hash.as_slice())).collect()),
            Cells::Bytes(networks().map(|networks| networks.network48.as_ref().map(|hash| hash.as_slice())).collect()),
        ];
        pipeline.push(ORIGINS, ORIGINS_TYPES, cells);
    }
    let departed: Vec<&'w str> = stored.iter().flat_map(|stored| stored.group.departed()).collect();
    if !departed.is_empty() {
        pipeline.push(FORGET_ORIGINS, &[Type::TEXT_ARRAY], vec![Cells::texts(departed)]);
    }
}

/// The keys first: whoever seals something at the same time holds one of them until that is stored, and only what is stored
/// by then is found.
fn erase<'w>(pipeline: &mut Pipeline<'w>, stored: &[Stored<'_, 'w>]) {
    let mut persons: Vec<PersonId> = stored.iter().flat_map(|stored| &stored.group.erase).copied().collect();
    if persons.is_empty() {
        return;
    }
    persons.sort_unstable();
    for sql in [ERASE_KEYS, ERASE_SEALED] {
        pipeline.push(sql, &[Type::TEXT_ARRAY], vec![Cells::made(persons.iter().copied())]);
    }
}

fn snapshots<'w>(pipeline: &mut Pipeline<'w>, stored: &[Stored<'_, 'w>]) {
    let mut taken: Vec<(&'w str, Version, &'w [u8])> = Vec::new();
    for Stored { group, versions, .. } in stored {
        for (append, version) in group.appends.iter().zip(*versions) {
            if let (Some(state), Expected::Exact(_)) = (&append.snapshot, append.expected) {
                taken.push((append.stream.as_str(), *version, state));
            }
        }
    }
    if taken.is_empty() {
        return;
    }
    let cells = vec![
        Cells::texts(taken.iter().map(|(stream, ..)| *stream)),
        Cells::integers(taken.iter().map(|(_, version, _)| *version)),
        Cells::bytes(taken.iter().map(|(.., state)| *state)),
    ];
    pipeline.push(SNAPSHOTS, SNAPSHOTS_TYPES, cells);
}

fn remember<'w>(pipeline: &mut Pipeline<'w>, stored: &[Stored<'_, 'w>], total: u64, now: Timestamp) {
    let keyed: Vec<_> = stored.iter().filter_map(|stored| Some((stored, stored.group.idempotency.as_ref()?))).collect();
    if keyed.is_empty() {
        return;
    }
    let keys = || Cells::bytes(keyed.iter().map(|(_, used)| used.key.as_slice()));
    pipeline.push(FORGET, &[Type::BYTEA_ARRAY, Type::INT8], vec![keys(), Cells::One(Some(now.as_millis()))]);
    let cells = vec![
        Cells::one(total),
        keys(),
        Cells::integers(keyed.iter().map(|(stored, _)| stored.first)),
        Cells::integers(keyed.iter().map(|(stored, _)| stored.last)),
        Cells::bytes(keyed.iter().map(|(_, used)| used.note.as_slice())),
        Cells::integers(keyed.iter().map(|(_, used)| used.keep.as_millis())),
    ];
    pipeline.push(REMEMBER, REMEMBER_TYPES, cells);
}

/// One event with what it shares with others.
struct Line<'w> {
    group: &'w Group,
    append: &'w Append,
    event: &'w NewEvent,
    version: Version,
}

fn events<'w>(stored: &[Stored<'_, 'w>], left: &Remains<'_>, total: u64, now: Timestamp) -> Vec<Cells<'w>> {
    let mut lines = Vec::with_capacity(usize::try_from(total).unwrap_or(0));
    for Stored { group, versions, .. } in stored {
        for (append, after) in group.appends.iter().zip(*versions) {
            let before = after - append.events.len() as Version;
            lines.extend(append.events.iter().zip(before + 1..).map(|(event, version)| Line {
                group,
                append,
                event,
                version,
            }));
        }
    }
    let actor = |text: fn(&crate::log::Actor) -> Option<&str>| {
        Cells::perhaps(lines.iter().map(|line| text(&line.group.context.actor)))
    };
    vec![
        Cells::one(total),
        Cells::One(Some(now.as_millis())),
        Cells::integers(1..=total),
        Cells::made(lines.iter().map(|line| line.group.context.project)),
        Cells::texts(lines.iter().map(|line| line.append.stream.as_str())),
        Cells::integers(lines.iter().map(|line| line.version)),
        Cells::made(lines.iter().map(|line| line.event.id)),
        Cells::texts(lines.iter().map(|line| line.event.event_type)),
        Cells::integers(lines.iter().map(|line| line.event.type_version)),
        Cells::integers(lines.iter().map(|line| line.event.occurred_at.as_millis())),
        actor(|actor| Some(actor.kind)),
        actor(|actor| actor.id.as_deref()),
        actor(|actor| actor.by.as_deref()),
        actor(|actor| actor.impersonator.as_deref()),
        Cells::Made(lines.iter().map(|line| line.group.context.request.map(|id| id.to_string())).collect()),
        Cells::made(lines.iter().map(|line| line.group.context.command)),
        Cells::Made(lines.iter().map(|line| line.group.context.cause.map(|id| id.to_string())).collect()),
        Cells::integers(lines.iter().map(|line| line.group.context.settings_version)),
        Cells::MadeBytes(lines.iter().map(|line| SealedRef::encode(&line.event.sealed)).collect()),
        Cells::bytes(lines.iter().map(|line| line.event.body.as_slice())),
        Cells::any(left.settings.stand),
        Cells::any(left.settings.next),
    ]
}
