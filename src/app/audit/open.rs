//! Deeds, readable: with the names that people have now, the address that their session came from, and what was sealed. Of
//! whoever is gone nothing of it is left, and the deed stays.

use std::collections::{BTreeSet, HashMap};

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{EventId, SealedId, SessionId, UserId};
use chrysalis_projections::audit::{self, AuditRow};
use chrysalis_projections::deeds::{Action, NETWORK, Target};
use chrysalis_projections::sessions::{self, SessionRow};
use chrysalis_projections::table::{self, Sealed};
use chrysalis_projections::users::{self, UserRow};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Trail;
use super::pages::id;
use crate::app::view::ClientSeen;
use crate::keys::{PersonSealer, Record, SealKind};
use crate::log::{LogFault, ask, ask_one};
use crate::wire::json_time::JsonTime;

/// A deed, readable. `None` for what is not known, or no more.
#[derive(Clone, Debug)]
pub struct Seen {
    pub id: EventId,
    pub action: String,
    pub recorded_at: Timestamp,
    pub occurred_at: Timestamp,
    pub actor: Who,
    /// The session or key through which it was done, or by which it was noted.
    pub by: Option<String>,
    pub impersonator: Option<String>,
    pub targets: Vec<Named>,
    pub organization: Option<String>,
    pub client: ClientSeen,
    pub request: Option<String>,
    pub changes: Option<Changes>,
    pub metadata: Option<Map<String, Value>>,
    pub idempotency_key: Option<String>,
    /// An app says so …
    pub noted: bool,
    /// … and what it said can still be read.
    told: bool,
}

#[derive(Clone, Debug)]
pub struct Who {
    pub kind: String,
    pub id: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Named {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
    #[serde(default)]
    pub name: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Changes {
    #[serde(default)]
    pub before: Value,
    #[serde(default)]
    pub after: Value,
}

/// What an app said of a deed besides, as it is sealed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Said {
    pub actor_name: Option<String>,
    pub actor_email: Option<String>,
    pub targets: Vec<Named>,
    pub client: ClientSeen,
    pub changes: Option<Changes>,
    pub metadata: Option<Map<String, Value>>,
}

/// A deed with its JSON read.
struct Half {
    row: AuditRow,
    changes: Option<Changes>,
    metadata: Option<Map<String, Value>>,
}

/// What stands elsewhere of the deeds of a page. They have few people between them: each is looked up once.
#[derive(Default)]
struct Known {
    people: HashMap<UserId, Person>,
    clients: HashMap<SessionId, ClientSeen>,
    records: HashMap<SealedId, Record>,
}

#[derive(Default)]
struct Person {
    name: Option<String>,
    email: Option<String>,
}

/// Look-ups that are asked for together, before others have their turn on this thread.
const TOGETHER: usize = 64;

impl Trail<'_> {
    pub async fn open(&self, rows: Vec<AuditRow>) -> Result<Vec<Seen>, LogFault> {
        let halves = rows.into_iter().map(Half::read).collect::<Result<Vec<_>, _>>()?;
        let known = self.look_up(&halves).await?;
        let mut opened = Vec::with_capacity(halves.len());
        for half in halves {
            let (place, noted) = (half.row.place, half.row.details.is_some());
            let mut seen = half.open(&known)?;
            // What else an app named where what it said is gone.
            if noted && seen.targets.len() == 2 && !seen.told {
                let further = ask(self.log, &audit::FURTHER, &[place.cast_signed().into()]).await?;
                seen.targets.extend(further.into_iter().map(|Target { kind, id }| Named { kind, id, name: None }));
            }
            opened.push(seen);
        }
        Ok(opened)
    }

    async fn look_up(&self, halves: &[Half]) -> Result<Known, LogFault> {
        let mut known = Known::default();
        let (users, sessions) = (distinct(halves, Half::users), distinct(halves, Half::sessions));
        for users in users.chunks(TOGETHER) {
            let rows = users.iter().map(async |user| ask_one(self.log, &users::BY_ID, &[table::id(user)]).await);
            for row in try_join_all(rows).await?.into_iter().flatten() {
                known.people.insert(row.user, self.named(&row)?);
            }
            tokio::task::yield_now().await;
        }
        for sessions in sessions.chunks(TOGETHER) {
            let rows = sessions.iter().map(async |id| ask_one(self.log, &sessions::BY_ID, &[table::id(id)]).await);
            for row in try_join_all(rows).await?.into_iter().flatten() {
                known.clients.insert(row.session, self.client(&row)?);
            }
            tokio::task::yield_now().await;
        }
        known.records = self.records(&distinct(halves, Half::records)).await?;
        Ok(known)
    }

    /// What is left of sealed records: nothing of those of whoever was erased.
    pub(super) async fn records(&self, ids: &[SealedId]) -> Result<HashMap<SealedId, Record>, LogFault> {
        let mut records = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(TOGETHER) {
            let found = ids.iter().map(async |id| Ok((*id, Record::find(self.log, self.keyring, *id).await?)));
            let found: Vec<(SealedId, Option<Record>)> = try_join_all(found).await?;
            records.extend(found.into_iter().filter_map(|(id, record)| Some((id, record?))));
            tokio::task::yield_now().await;
        }
        Ok(records)
    }

    /// What a user is called now.
    fn named(&self, row: &UserRow) -> Result<Person, LogFault> {
        let sealer = self.sealer(row)?;
        let read = |kind, sealed: &Option<Sealed>| sealer.as_ref()?.shown(kind, sealed.as_ref()?);
        Ok(Person { name: read(SealKind::Name, &row.name), email: read(SealKind::Email, &row.email) })
    }

    /// Where a session was begun from.
    fn client(&self, row: &SessionRow) -> Result<ClientSeen, LogFault> {
        let read = |(sealer, sealed): (PersonSealer, &Sealed)| sealer.shown(SealKind::Client, sealed);
        let json = self.sealer(&row.user)?.zip(row.client.as_ref()).and_then(read);
        Ok(json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
    }

    fn sealer(&self, row: &UserRow) -> Result<Option<PersonSealer>, LogFault> {
        PersonSealer::open(self.keyring, row.person, row.key.as_ref())
    }
}

fn distinct<'h, T: Ord, I: IntoIterator<Item = T>>(halves: &'h [Half], of: impl Fn(&'h Half) -> I) -> Vec<T> {
    halves.iter().flat_map(of).collect::<BTreeSet<_>>().into_iter().collect()
}

impl Half {
    fn read(mut row: AuditRow) -> Result<Self, LogFault> {
        let (changes, metadata) = (row.changes.take(), row.metadata.take());
        let changes = changes.as_deref().map(read_json).transpose()?;
        Ok(Self { row, changes, metadata: metadata.as_deref().map(read_json).transpose()? })
    }

    fn targets(&self) -> impl Iterator<Item = &Target> {
        self.row.target.iter().chain(&self.row.also)
    }

    /// Whose names are shown. What an app noted is shown as the app said it: who may add to the trail need not be one who may
    /// ask it what somebody is called.
    fn users(&self) -> impl Iterator<Item = UserId> {
        let ids = self.row.actor.iter().chain(self.targets().map(|target| &target.id));
        ids.filter(|_| self.row.details.is_none()).filter_map(|id| id.parse().ok())
    }

    /// The one through which it was done; of one that is begun, that one.
    fn sessions(&self) -> Option<SessionId> {
        let through = self.row.by.iter().chain(self.row.also.as_ref().map(|also| &also.id));
        through.filter(|_| self.row.details.is_none()).find_map(|id| id.parse().ok())
    }

    fn records(&self) -> impl Iterator<Item = SealedId> {
        let sides = self.changes.iter().flat_map(|changes| [&changes.before, &changes.after]);
        let values = sides.filter_map(Value::as_object).flat_map(Map::values);
        let network = self.metadata.as_ref().and_then(|metadata| metadata.get(NETWORK));
        values.chain(network).filter_map(sealed_id).chain(self.row.details)
    }

    fn open(self, known: &Known) -> Result<Seen, LogFault> {
        let person = |id: &str| id.parse().ok().and_then(|id: UserId| known.people.get(&id));
        let client = self.sessions().and_then(|session| known.clients.get(&session)).cloned().unwrap_or_default();
        let named = |target: &Target| {
            let name = person(&target.id).and_then(|person| person.name.clone());
            Named { kind: target.kind.clone(), id: target.id.clone(), name }
        };
        let targets = self.targets().map(named).collect();
        // Of a user who is gone nothing is shown, from that moment on.
        let gone = self.row.target.as_ref().is_some_and(|target| target.kind == "user" && person(&target.id).is_none());
        let records = if gone { &HashMap::new() } else { &known.records };
        let Self { row, changes, mut metadata } = self;
        let network = metadata.as_mut().and_then(|metadata| metadata.remove(NETWORK)).as_ref().and_then(sealed_id);
        let client = match network {
            Some(network) => seen_from(records.get(&network)),
            None => client,
        };
        let actor = row.actor.as_deref().and_then(person);
        let mut seen = Seen {
            id: id(&row),
            action: row.action,
            recorded_at: row.recorded_at,
            occurred_at: row.occurred_at,
            actor: Who {
                name: actor.and_then(|actor| actor.name.clone()),
                email: actor.and_then(|actor| actor.email.clone()),
                kind: row.actor_type,
                id: row.actor,
            },
            by: row.by,
            impersonator: row.impersonator,
            targets,
            organization: row.organization,
            client,
            request: row.request,
            changes: changes.map(|changes| changes.open(records)),
            metadata: metadata.map(|metadata| metadata.into_iter().map(|(name, value)| (name, shown(value))).collect()),
            idempotency_key: row.idempotency_key,
            noted: row.details.is_some(),
            told: false,
        };
        if let Some(record) = row.details.and_then(|details| known.records.get(&details))
            && let Some(json) = record.shown(SealKind::Details)
        {
            seen.told(read_json(&json)?);
        }
        Ok(seen)
    }
}

impl Seen {
    /// What an app said of it.
    fn told(&mut self, said: Said) {
        self.actor.name = said.actor_name.or(self.actor.name.take());
        self.actor.email = said.actor_email.or(self.actor.email.take());
        (self.targets, self.client) = (said.targets, said.client);
        (self.changes, self.metadata, self.told) = (said.changes, said.metadata, true);
    }
}

impl Changes {
    fn open(self, records: &HashMap<SealedId, Record>) -> Self {
        let open = |side: Value| {
            let Value::Object(fields) = side else { return side };
            let open = |(name, value): (String, Value)| {
                let value = match sealed_id(&value) {
                    Some(sealed) => field(&name, records.get(&sealed)),
                    None => shown(value),
                };
                (name, value)
            };
            Value::Object(fields.into_iter().map(open).collect())
        };
        Self { before: open(self.before), after: open(self.after) }
    }
}

/// From where somebody came of whom nothing else is known; from nowhere, once nothing is left of it.
fn seen_from(record: Option<&Record>) -> ClientSeen {
    let json = record.and_then(|record| record.shown(SealKind::Client));
    json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}

/// What a field held; null once nothing is left of it, or it was altered. What is not named here is shown to nobody.
pub(super) fn field(name: &str, record: Option<&Record>) -> Value {
    let kind = match name {
        "email" => SealKind::Email,
        "name" => SealKind::Name,
        "image" | "logo" => SealKind::Image,
        "metadata" => SealKind::Metadata,
        "holdReason" => SealKind::HoldReason,
        "appMetadata" => SealKind::AppMetadata,
        "banReason" => SealKind::BanReason,
        "slug" => SealKind::Slug,
        "client" => SealKind::Client,
        "referrer" => SealKind::Referrer,
        "callbackURL" => SealKind::CallbackUrl,
        _ => return Value::Null,
    };
    match (kind, record.and_then(|record| record.shown(kind))) {
        (SealKind::Metadata | SealKind::AppMetadata | SealKind::Client, Some(json)) => {
            serde_json::from_str(&json).unwrap_or_default()
        }
        (_, text) => text.into(),
    }
}

fn read_json<T: for<'de> Deserialize<'de>>(json: &str) -> Result<T, LogFault> {
    serde_json::from_str(json).map_err(|error| LogFault::Damaged(format!("a deed does not read: {error}")))
}

fn sealed_id(value: &Value) -> Option<SealedId> {
    value.get("$sealed")?.as_str()?.parse().ok()
}

/// Times are shown as dates, whoever asks.
fn shown(value: Value) -> Value {
    match value.get("$time").and_then(Value::as_i64) {
        Some(millis) => JsonTime(Timestamp::from_millis(millis)).to_string().into(),
        None => value,
    }
}

/// The name of one of our own deeds, which no app may give to its own.
pub fn is_ours(action: &str) -> bool {
    Action::from_name(action).is_some()
}
