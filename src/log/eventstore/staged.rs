//! A batch while it is offered to the log: its events as the log gets them, and its groups as bytes for whoever finishes what
//! was broken off. Row changes are not among them: they are folded once more.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use chrysalis_domain::id::{ClaimId, CommandId, EventId, PersonId, ProjectId, RequestId, SealedId, UserId};
use chrysalis_domain::{Span, Timestamp};
use chrysalis_projections::claims::ClaimKind;
use chrysalis_projections::{ClaimKey, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::event;
use super::reservations::Name;
use super::{
    Actor, Append, Appended, Ceiling, Claim, Context, Counting, Expected, Group, Idempotency, Lane, LogFault, NewEvent,
    Origin, PersonKey, Position, Quota, Recorded, Refused, Replica, SealedRecord, SealedRef, StreamId, Version,
};
use crate::log::origins::Networks;
use crate::log::replica::{Act, ELSEWHERE, RESERVED, STAGED};
use crate::log::transfer::{SideChange, SideRow};

/// The shape of what is staged. A batch that another version staged is finished by that version.
const FORMAT: u8 = 1;
/// Rows that are read at a time.
const PAGE: usize = 16;

/// Groups that were accepted, and their events.
pub(super) struct Batch {
    pub(super) act: Act,
    pub(super) events: Vec<Recorded>,
}

impl Batch {
    /// What is left of groups that were rehearsed; nothing where all were refused.
    pub(super) fn of(groups: &Arc<Vec<Group>>, verdicts: &[Result<Appended, Refused>]) -> Option<Self> {
        let accepted =
            || groups.iter().zip(verdicts).filter_map(|(group, verdict)| Some((group, verdict.as_ref().ok()?)));
        let (_, first) = accepted().next()?;
        let act = Act {
            after: first.first - 1,
            recorded_at: first.recorded_at,
            groups: match verdicts.iter().all(Result::is_ok) {
                true => groups.clone(),
                false => Arc::new(accepted().map(|(group, _)| group.clone()).collect()),
            },
            followed: None,
        };
        let events = accepted().flat_map(|(group, appended)| records(group, appended)).collect();
        Some(Self { act, events })
    }

    /// One that was staged, by how its groups are judged now; nothing where they are not accepted any more. It is the same batch to the
    /// byte, whoever offers it.
    pub(super) fn again(act: Act, verdicts: &[Result<Appended, Refused>]) -> Option<Self> {
        let as_staged = |appended: &Appended| Appended { recorded_at: act.recorded_at, ..appended.clone() };
        let appended: Vec<_> = verdicts.iter().flatten().map(as_staged).collect();
        if appended.len() != act.groups.len() || appended.first()?.first != act.after + 1 {
            return None;
        }
        let events = act.groups.iter().zip(&appended).flat_map(|(group, appended)| records(group, appended)).collect();
        Some(Self { act, events })
    }

    /// Keeps it in the read store, with all that is to be stored with its events, and what is to be reserved for it. What
    /// was `released` is noted no more.
    pub(super) async fn stage(
        &self,
        replica: &dyn Replica,
        names: &[Name],
        released: Vec<SideRow>,
    ) -> Result<(), LogFault> {
        let Some(first) = self.events.first() else { return Ok(()) };
        let kept = Kept::of(&self.act);
        let mut payload = vec![FORMAT];
        payload.extend(postcard::to_allocvec(&kept).map_err(|error| LogFault::Bug(error.to_string()))?);
        let behind = Value::Integer(self.act.after.cast_signed());
        let row = vec![Value::Text(first.event_id.clone()), behind, Value::Bytes(payload)];
        let staged = SideChange { table: &STAGED, put: vec![row], gone: Vec::new() };
        if names.is_empty() && released.is_empty() {
            return replica.put_side_rows(staged).await;
        }
        let put = names.iter().map(Name::row).collect();
        let again: HashSet<&str> = names.iter().map(|name| name.stream.as_str()).collect();
        let is_again = |row: &SideRow| row[0].as_text().is_some_and(|stream| again.contains(stream));
        let gone = released.into_iter().filter(|row| !is_again(row)).collect();
        let reserved = SideChange { table: &RESERVED, put, gone };
        match replica.keep(ELSEWHERE, 1, vec![staged, reserved]).await? {
            true => Ok(()),
            false => {
                Err(LogFault::Unavailable("the read store is not that of a log which is kept elsewhere".to_owned()))
            }
        }
    }

    /// Forgets it: others stand where it was offered, so it never will.
    pub(super) async fn unstage(&self, replica: &dyn Replica) -> Result<(), LogFault> {
        let Some(first) = self.events.first() else { return Ok(()) };
        let key = vec![Value::Text(first.event_id.clone())];
        replica.put_side_rows(SideChange { table: &STAGED, put: Vec::new(), gone: vec![key] }).await
    }
}

/// The batch that was offered with this event as its first.
pub(super) async fn find(replica: &dyn Replica, first: Uuid) -> Result<Option<Act>, LogFault> {
    let mut found = None;
    each(replica, |row| {
        if let [Value::Text(batch), _, Value::Bytes(payload)] = row
            && event::uuid(batch).is_ok_and(|id| id == first)
        {
            found = Some(read(payload));
        }
    })
    .await?;
    found.transpose()
}

/// A batch that is staged, by the id of its first event.
pub(super) struct InHand {
    pub(super) batch: String,
    pub(super) act: Act,
}

impl InHand {
    pub(super) fn claims(&self) -> impl Iterator<Item = ClaimId> {
        self.act.groups.iter().flat_map(|group| &group.claims).map(|claim| claim.claim)
    }
}

/// A batch that is offered behind a position, the same one each time: it may yet come to stand.
pub(super) async fn waiting(replica: &dyn Replica, position: Position) -> Result<Option<InHand>, LogFault> {
    Ok(in_hand(replica, |behind| behind == position).await?.into_iter().next())
}

/// Every batch that is offered behind a position, or will be.
pub(super) async fn to_come(replica: &dyn Replica, position: Position) -> Result<Vec<InHand>, LogFault> {
    in_hand(replica, |behind| behind >= position).await
}

async fn in_hand(replica: &dyn Replica, offered: impl Fn(Position) -> bool) -> Result<Vec<InHand>, LogFault> {
    let mut found = Vec::new();
    each(replica, |row| {
        if let [Value::Text(batch), Value::Integer(behind), Value::Bytes(payload)] = row
            && offered(behind.cast_unsigned())
        {
            found.push(read(payload).map(|act| InHand { batch: batch.clone(), act }));
        }
    })
    .await?;
    found.into_iter().collect()
}

/// How many batches are offered behind a position, or were: they may yet come to stand.
pub(super) async fn behind(replica: &dyn Replica, position: Position) -> Result<usize, LogFault> {
    let mut count = 0;
    each(replica, |row| {
        count += usize::from(matches!(row, [_, Value::Integer(behind), _] if behind.cast_unsigned() >= position));
    })
    .await?;
    Ok(count)
}

async fn each(replica: &dyn Replica, mut seen: impl FnMut(&[Value])) -> Result<(), LogFault> {
    let mut after: Option<SideRow> = None;
    loop {
        let page = replica.side_rows(&STAGED, after.as_deref(), PAGE).await?;
        page.iter().for_each(|row| seen(row));
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last[..STAGED.key].to_vec()),
            _ => return Ok(()),
        }
    }
}

fn read(payload: &[u8]) -> Result<Act, LogFault> {
    let kept = match payload.split_first() {
        Some((&FORMAT, kept)) => postcard::from_bytes::<Kept>(kept).ok(),
        _ => None,
    };
    let unread = || {
        LogFault::Damaged(
            "a batch that stands in the log was staged by another version of Chrysalis; start that one".into(),
        )
    };
    kept.ok_or_else(unread)?.act()
}

/// A group's events as the log has them.
fn records<'g>(group: &'g Group, appended: &'g Appended) -> impl Iterator<Item = Recorded> {
    let of_append = |(append, last): (&'g Append, &Version)| {
        let before = last - append.events.len() as Version;
        append.events.iter().zip(before + 1..).map(move |(event, version)| (append, event, version))
    };
    let events = group.appends.iter().zip(&appended.versions).flat_map(of_append);
    events.zip(appended.first..).map(|((append, event, version), position)| {
        let Context { project, actor, request, command, cause, settings_version } = &group.context;
        Recorded {
            position,
            project: project.to_string(),
            stream: append.stream.clone(),
            version,
            event_id: event.id.to_string(),
            event_type: event.event_type.to_owned(),
            type_version: event.type_version,
            recorded_at: appended.recorded_at,
            occurred_at: event.occurred_at,
            actor_type: actor.kind.to_owned(),
            actor_id: actor.id.clone(),
            actor_by: actor.by.clone(),
            impersonator: actor.impersonator.clone(),
            request_id: request.map(|id| id.to_string()),
            command_id: command.to_string(),
            cause: cause.map(|id| id.to_string()),
            settings_version: *settings_version,
            sealed: SealedRef::encode(&event.sealed),
            body: event.body.clone(),
        }
    })
}

/// A batch as it is staged. Fields are read by their order.
#[derive(Serialize, Deserialize)]
struct Kept {
    after: Position,
    recorded_at: Timestamp,
    groups: Vec<KeptGroup>,
}

#[derive(Serialize, Deserialize)]
struct KeptGroup {
    project: ProjectId,
    /// Kind, id, by, impersonator.
    actor: (String, Option<String>, Option<String>, Option<String>),
    request: Option<RequestId>,
    command: CommandId,
    cause: Option<EventId>,
    settings_version: Version,
    appends: Vec<KeptAppend>,
    sealed: Vec<KeptSealed>,
    /// Person, epoch, wrapped.
    person_keys: Vec<(PersonId, u32, Vec<u8>)>,
    erase: Vec<PersonId>,
    claims: Vec<KeptClaim>,
    keys: Vec<KeptClaim>,
    quotas: Vec<KeptQuota>,
    /// Key, note, how long.
    idempotency: Option<(Vec<u8>, Vec<u8>, Span)>,
    origin: Option<KeptOrigin>,
    rests_on_settings: bool,
}

/// Id, person, kind, salt, ciphertext.
type KeptSealed = (SealedId, PersonId, String, [u8; 16], Vec<u8>);
/// Key, limits with their spans, what it means.
type KeptQuota = (Vec<u8>, Vec<(u32, Span)>, u8);
/// Id, type, version, when, sealed references, body.
type KeptEvent = (EventId, String, u16, Timestamp, Vec<u8>, Vec<u8>);

#[derive(Serialize, Deserialize)]
struct KeptAppend {
    stream: String,
    expected: KeptExpected,
    events: Vec<KeptEvent>,
    snapshot: Option<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
enum KeptExpected {
    NoStream,
    Exact(Version),
    Any,
}

#[derive(Serialize, Deserialize)]
struct KeptClaim {
    claim: ClaimId,
    kind: String,
    hash: Vec<u8>,
    key_id: u32,
    normalisation: u16,
    former: Vec<(u32, Vec<u8>)>,
}

#[derive(Serialize, Deserialize)]
struct KeptOrigin {
    user: UserId,
    at: Timestamp,
    key_id: u32,
    network: [u8; 16],
    network56: Option<[u8; 16]>,
    network48: Option<[u8; 16]>,
}

impl Kept {
    fn of(act: &Act) -> Self {
        let groups = act.groups.iter().map(KeptGroup::of).collect();
        Self { after: act.after, recorded_at: act.recorded_at, groups }
    }

    fn act(self) -> Result<Act, LogFault> {
        let groups = self.groups.into_iter().map(KeptGroup::group).collect::<Result<_, _>>()?;
        Ok(Act { after: self.after, recorded_at: self.recorded_at, groups: Arc::new(groups), followed: None })
    }
}

impl KeptGroup {
    fn of(group: &Group) -> Self {
        let Group { context, appends, sealed, person_keys, erase, claims, keys, quotas, idempotency, origin, .. } =
            group;
        let Actor { kind, id, by, impersonator } = &context.actor;
        let counting = |counting| match counting {
            Counting::Takes => 0,
            Counting::Asks => 1,
            Counting::Notes => 2,
        };
        let ceilings = |quota: &Quota| quota.ceilings.iter().map(|ceiling| (ceiling.limit, ceiling.span)).collect();
        Self {
            project: context.project,
            actor: ((*kind).to_owned(), id.clone(), by.clone(), impersonator.clone()),
            request: context.request,
            command: context.command,
            cause: context.cause,
            settings_version: context.settings_version,
            appends: appends.iter().map(KeptAppend::of).collect(),
            sealed: sealed
                .iter()
                .map(|sealed| {
                    (sealed.id, sealed.person, sealed.kind.to_owned(), sealed.salt, sealed.ciphertext.clone())
                })
                .collect(),
            person_keys: person_keys.iter().map(|key| (key.person, key.epoch, key.wrapped.clone())).collect(),
            erase: erase.clone(),
            claims: claims.iter().map(KeptClaim::of).collect(),
            keys: keys.iter().map(KeptClaim::of).collect(),
            quotas: quotas.iter().map(|quota| (quota.key.clone(), ceilings(quota), counting(quota.counting))).collect(),
            idempotency: idempotency.as_ref().map(|used| (used.key.clone(), used.note.clone(), used.keep)),
            origin: origin.as_ref().map(KeptOrigin::of),
            rests_on_settings: group.rests_on_settings,
        }
    }

    fn group(self) -> Result<Group, LogFault> {
        let (kind, id, by, impersonator) = self.actor;
        let context = Context {
            project: self.project,
            actor: Actor { kind: name(kind), id, by, impersonator },
            request: self.request,
            command: self.command,
            cause: self.cause,
            settings_version: self.settings_version,
        };
        let counting = |counting| match counting {
            0 => Counting::Takes,
            1 => Counting::Asks,
            _ => Counting::Notes,
        };
        let ceiling = |(limit, span)| Ceiling { limit, span };
        let mut group = Group {
            sealed: self
                .sealed
                .into_iter()
                .map(|(id, person, kind, salt, ciphertext)| SealedRecord {
                    id,
                    person,
                    kind: name(kind),
                    salt,
                    ciphertext,
                })
                .collect(),
            person_keys: self
                .person_keys
                .into_iter()
                .map(|(person, epoch, wrapped)| PersonKey { person, epoch, wrapped })
                .collect(),
            erase: self.erase,
            claims: self.claims.into_iter().map(KeptClaim::claim).collect::<Result<_, _>>()?,
            keys: self.keys.into_iter().map(KeptClaim::claim).collect::<Result<_, _>>()?,
            quotas: self
                .quotas
                .into_iter()
                .map(|(key, ceilings, counted)| Quota {
                    key,
                    ceilings: ceilings.into_iter().map(ceiling).collect(),
                    counting: counting(counted),
                })
                .collect(),
            idempotency: self.idempotency.map(|(key, note, keep)| Idempotency { key, note, keep }),
            origin: self.origin.map(KeptOrigin::origin),
            rests_on_settings: self.rests_on_settings,
            lane: Lane::Interactive,
            ..Group::new(context)
        };
        group.appends = self.appends.into_iter().map(KeptAppend::append).collect::<Result<_, _>>()?;
        group.fold_again()?;
        Ok(group)
    }
}

impl KeptAppend {
    fn of(append: &Append) -> Self {
        let kept = |event: &NewEvent| {
            let (event_type, sealed) = (event.event_type.to_owned(), SealedRef::encode(&event.sealed));
            (event.id, event_type, event.type_version, event.occurred_at, sealed, event.body.clone())
        };
        Self {
            stream: append.stream.as_str().to_owned(),
            expected: match append.expected {
                Expected::NoStream => KeptExpected::NoStream,
                Expected::Exact(version) => KeptExpected::Exact(version),
                Expected::Any => KeptExpected::Any,
            },
            events: append.events.iter().map(kept).collect(),
            snapshot: append.snapshot.clone(),
        }
    }

    fn append(self) -> Result<Append, LogFault> {
        let event =
            |(id, event_type, type_version, occurred_at, sealed, body): (_, String, _, _, Vec<u8>, _)| NewEvent {
                id,
                event_type: name(event_type),
                type_version,
                occurred_at,
                sealed: SealedRef::decode(&sealed),
                body,
                changes: Vec::new(),
            };
        Ok(Append {
            stream: StreamId::from_stored(self.stream),
            expected: match self.expected {
                KeptExpected::NoStream => Expected::NoStream,
                KeptExpected::Exact(version) => Expected::Exact(version),
                KeptExpected::Any => Expected::Any,
            },
            events: self.events.into_iter().map(event).collect(),
            snapshot: self.snapshot,
        })
    }
}

impl KeptClaim {
    fn of(claim: &Claim) -> Self {
        let ClaimKey { kind, hash, key_id, normalisation, former } = claim.key.clone();
        Self { claim: claim.claim, kind: kind.name().to_owned(), hash, key_id, normalisation, former }
    }

    fn claim(self) -> Result<Claim, LogFault> {
        let Self { claim, kind, hash, key_id, normalisation, former } = self;
        let kind =
            [ClaimKind::Email, ClaimKind::Identity, ClaimKind::Slug].into_iter().find(|known| known.name() == kind);
        let kind = kind.ok_or_else(|| LogFault::Damaged("a staged claim is of no known kind".to_owned()))?;
        Ok(Claim { claim, key: ClaimKey { kind, hash, key_id, normalisation, former } })
    }
}

impl KeptOrigin {
    fn of(origin: &Origin) -> Self {
        let Networks { key_id, network, network56, network48 } = origin.networks;
        Self { user: origin.user, at: origin.at, key_id, network, network56, network48 }
    }

    fn origin(self) -> Origin {
        let Self { user, at, key_id, network, network56, network48 } = self;
        Origin { user, at, networks: Networks { key_id, network, network56, network48 } }
    }
}

/// One of the few names that this program has for kinds and types, as it has them for ever.
fn name(text: String) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    match names.get(text.as_str()) {
        Some(name) => name,
        None => {
            let name: &'static str = Box::leak(text.into_boxed_str());
            names.insert(name);
            name
        }
    }
}
