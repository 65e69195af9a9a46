//! Writes down what failed at this node ([`crate::attempts`]), each minute when it is over: every node its own. And forgets from
//! where it came, after as long as is kept where guests came from: one node at a time.

use std::sync::Arc;
use std::time::Duration;

use chrysalis_domain::attempts::{AttemptKind, AttemptsEvent, AttemptsFailed, AttemptsForgotten};
use chrysalis_domain::id::{CommandId, EventId, PersonId};
use chrysalis_domain::value::{Secret, Word};
use chrysalis_domain::{Day, Event, Span, Subject, Timestamp};

use super::Lease;
use super::in_turn::InTurn;
use crate::app::App;
use crate::app::view::ClientSeen;
use crate::attempts::{Attempt, Attempts, Minute};
use crate::entropy;
use crate::keys::{PersonSealer, SealKind};
use crate::limits::{ClientAddress, Network};
use crate::log::{
    Context, Expected, Group, Idempotency, Lane, LogFault, PersonKey, Position, Refused, SealedRecord, StreamId,
    read_event,
};
use crate::outage::Outage;

/// How often to look whether a minute is over, or a day is to be forgotten.
const LOOK: Duration = Duration::from_secs(1);
/// How long it is known that a minute was written, where nobody knows whether it was: longer than it is tried for.
const KNOWN: Span = Span::from_hours(1);
/// Days that are looked at the first time: as long as anybody may keep them.
const OLDEST: Position = 400;
/// Keys that go at a time: a moment of the writer's, and others come in between.
const ERASED: usize = 256;
/// Events read at a time.
const PAGE: usize = 1_024;

/// How far it has forgotten is a checkpoint: the number of the first day that is kept.
pub struct Writer {
    app: App,
    attempts: Arc<Attempts>,
    /// Names this process, in what must be written once.
    node: String,
    /// The first day that is kept, once those before it are forgotten.
    forgotten: Option<Day>,
    /// While what failed can't be written down.
    outage: Outage,
}

impl InTurn for Writer {
    const NAME: &'static str = "attempts";
    const AFTER_FAULT: Duration = LOOK;
    const STANDS_STILL: &'static str = "from where attempts came is kept for longer than configured; it is tried again";
    const ASIDE: Option<Duration> = Some(LOOK);

    /// Takes its turn only while there are days that no node has forgotten.
    async fn wants_turn(&mut self, _lease: &Lease, _head: Position) -> Result<bool, LogFault> {
        self.write_over(self.app.clock.now()).await;
        let kept = self.first_kept();
        if self.forgotten != Some(kept) && self.app.log.checkpoint(Self::NAME).await? == number(kept) {
            self.forgotten = Some(kept);
        }
        Ok(self.forgotten != Some(kept))
    }

    async fn turn(&mut self, lease: &mut Lease, _head: Position) -> Result<Duration, LogFault> {
        self.forget(lease, self.first_kept()).await?;
        Ok(LOOK)
    }

    /// Also what is not over yet.
    async fn end(&mut self) {
        self.write_over(Timestamp::from_millis(i64::MAX)).await;
    }
}

impl Writer {
    pub fn new(app: App, attempts: Arc<Attempts>, node: String) -> Self {
        Self { app, attempts, node, forgotten: None, outage: Outage::new() }
    }

    async fn write_over(&self, by: Timestamp) {
        while let Some(minute) = self.attempts.over(by) {
            if let Err(fault) = self.write_minute(&minute).await {
                self.attempts.put_back(minute);
                if self.outage.meets(&fault.to_string()) {
                    tracing::warn!(%fault, "what failed is not written down; it is tried again");
                }
                return;
            }
            self.outage.ends();
        }
    }

    /// One group, stored once, however often it has to be sent.
    async fn write_minute(&self, minute: &Minute) -> Result<(), LogFault> {
        let app = &self.app;
        let now = app.clock.now();
        // That of the writing: no day that was forgotten gets anything more.
        let day = Day::of(now);
        let mut networks = Networks::of(app, now)?;
        let mut events: Vec<Event> = Vec::new();
        for (kind, counts) in &minute.kinds {
            for (Attempt { code, path, network, user }, count) in &counts.told_apart {
                let failed = AttemptsFailed {
                    reason: Word::parse(&code.to_lowercase()),
                    path: path.clone(),
                    user: *user,
                    network: networks.seal(app, *network, now),
                    ..failed(minute, *kind, *count, now)
                };
                events.push(Event::Attempts(day, failed.into()));
            }
            if counts.rest > 0 {
                events.push(Event::Attempts(day, failed(minute, *kind, counts.rest, now).into()));
            }
        }
        let mut group = self.group(now);
        (group.sealed, group.person_keys) = networks.sealed();
        let key = format!("{} {} {}", Self::NAME, self.node, minute.number).into_bytes();
        group.idempotency = Some(Idempotency { key, note: Vec::new(), keep: KNOWN });
        self.append(group, day, &events, now).await
    }

    async fn append(&self, mut group: Group, day: Day, events: &[Event], now: Timestamp) -> Result<(), LogFault> {
        let fresh = || EventId::from_ulid(entropy::ulid(self.app.entropy.as_ref(), now));
        group.append(Subject::Attempts(day), Expected::Any, events, now, fresh)?;
        let Err(error) = self.app.log.append(group).await else { return Ok(()) };
        match error.refusal()? {
            Refused::Repeated { .. } => Ok(()),
            other => Err(LogFault::Unavailable(format!("refused: {other:?}"))),
        }
    }

    fn group(&self, now: Timestamp) -> Group {
        let command = CommandId::from_ulid(entropy::ulid(self.app.entropy.as_ref(), now));
        let mut group = Group::new(Context::of_system(command));
        (group.rests_on_settings, group.lane) = (false, Lane::Bulk);
        group
    }

    /// The day that holds the oldest instant that is kept is kept as a whole.
    fn first_kept(&self) -> Day {
        Day::of(self.app.clock.now() - self.app.config.guests.origins_kept)
    }

    /// Forgets the days before one, as long as the turn lasts.
    async fn forget(&self, lease: &mut Lease, kept: Day) -> Result<(), LogFault> {
        let log = self.app.log.as_ref();
        let (from, upto) = (log.checkpoint(Self::NAME).await?, number(kept));
        // Before the first time there is nothing older than what anybody may keep. Where a clock that was ahead is set right
        // there is nothing to do but to begin anew: the days it had passed get more.
        let first = if from == 0 { upto.saturating_sub(OLDEST) } else { from };
        for number in first..upto {
            let day = Day::from_number(u32::try_from(number).unwrap_or(u32::MAX));
            for erases in self.sealed_for(day).await?.chunks(ERASED) {
                if !lease.hold().await? {
                    return Ok(());
                }
                let now = self.app.clock.now();
                let forgotten = AttemptsForgotten { erases: erases.to_vec(), at: now };
                self.append(self.group(now), day, &[Event::Attempts(day, forgotten.into())], now).await?;
            }
        }
        log.advance(Self::NAME, from, upto).await.map(drop)
    }

    /// The keys under which a day's networks are sealed, less those that were forgotten.
    async fn sealed_for(&self, day: Day) -> Result<Vec<PersonId>, LogFault> {
        let stream = StreamId::of(Subject::Attempts(day));
        let (mut keys, mut version) = (Vec::new(), 0);
        loop {
            let page = self.app.log.read_stream(&stream, version, PAGE).await?;
            for recorded in &page {
                version = recorded.version;
                match read_event(recorded)? {
                    Some(Event::Attempts(_, AttemptsEvent::AttemptsFailed(e))) => {
                        keys.extend(e.network.map(|network| network.owner));
                        keys.dedup();
                    }
                    Some(Event::Attempts(_, AttemptsEvent::AttemptsForgotten(e))) => {
                        keys.retain(|key| !e.erases.contains(key));
                    }
                    _ => {}
                }
            }
            if page.len() < PAGE {
                return Ok(keys);
            }
        }
    }
}

fn number(day: Day) -> Position {
    Position::from(day.number())
}

fn failed(minute: &Minute, kind: AttemptKind, count: u32, at: Timestamp) -> AttemptsFailed {
    AttemptsFailed { kind, reason: None, path: None, user: None, network: None, count, minute: minute.begins, at }
}

/// The networks of one minute, sealed under a key of their own; none where nobody wants them kept.
struct Networks {
    key: Option<(PersonId, PersonSealer, PersonKey)>,
    records: Vec<SealedRecord>,
}

impl Networks {
    fn of(app: &App, now: Timestamp) -> Result<Self, LogFault> {
        let kept = app.config.guests.origins_kept > Span::ZERO;
        let key = kept.then(|| {
            let person = PersonId::from_ulid(entropy::ulid(app.entropy.as_ref(), now));
            let (sealer, key) = PersonSealer::create(&app.keyring, person, app.entropy.as_ref())?;
            Ok::<_, LogFault>((person, sealer, key))
        });
        Ok(Self { key: key.transpose()?, records: Vec::new() })
    }

    fn seal(&mut self, app: &App, network: Network, now: Timestamp) -> Option<Secret> {
        let (owner, sealer, _) = self.key.as_ref().filter(|_| network != ClientAddress::Unknown.bucket())?;
        let network = network.to_string();
        // Of one address, that address.
        let ip = network.strip_suffix("/32").unwrap_or(&network).to_owned();
        let seen = ClientSeen { ip, ua: String::new() };
        let json = serde_json::to_string(&seen).ok()?;
        let record = sealer.seal(SealKind::Client, &json, app.entropy.as_ref(), now);
        let secret = Secret { owner: *owner, record: record.id };
        self.records.push(record);
        Some(secret)
    }

    /// What is stored with the events; a key that seals nothing is not.
    fn sealed(self) -> (Vec<SealedRecord>, Vec<PersonKey>) {
        let key = self.key.filter(|_| !self.records.is_empty()).map(|(_, _, key)| key);
        (self.records, key.into_iter().collect())
    }
}
