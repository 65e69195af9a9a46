//! From a decision's events to a [`Group`]: encoding and folding, done where the decision was made so that the one
//! writer has nothing left to do but to store.

use std::collections::HashMap;

use chrysalis_domain::id::{ClaimId, EventId, PersonId, SealedId, UserId};
use chrysalis_domain::user::UserEvent;
use chrysalis_domain::{Event, Subject, Timestamp};
use chrysalis_projections::claims::CLAIMS;
use chrysalis_projections::table::{self, absorbed};
use chrysalis_projections::{Change, ClaimKey, ClaimKeys, ClaimKind, fold};

use super::{Append, Claim, Context, Expected, Group, LogFault, NewEvent, SealedRecord, StreamId, Version};

/// The claims of the group at hand, and the addresses it names without claiming them, as the folds ask for them.
struct Declared<'a>(&'a [Claim], &'a [Claim]);

impl ClaimKeys for Declared<'_> {
    fn claim_key(&self, _: ClaimKind, claim: ClaimId, _: SealedId) -> Option<ClaimKey> {
        self.0.iter().chain(self.1).find(|declared| declared.claim == claim).map(|declared| declared.key.clone())
    }
}

/// The row changes that follow from an event behind others of its stream: some of them are taken in by theirs.
fn changes(event: &Event, at: Timestamp, keys: &dyn ClaimKeys, before: &mut [NewEvent]) -> Vec<Change> {
    let mut changes = fold(event, at, keys);
    changes.retain(|change| {
        let earlier = before.iter_mut().flat_map(|event| event.changes.iter_mut());
        !absorbed(earlier, change)
    });
    changes
}

impl Group {
    pub fn new(context: Context) -> Self {
        Self {
            context,
            appends: Vec::new(),
            sealed: Vec::new(),
            person_keys: Vec::new(),
            erase: Vec::new(),
            claims: Vec::new(),
            keys: Vec::new(),
            quotas: Vec::new(),
            idempotency: None,
            origin: None,
            rests_on_settings: true,
            lane: super::Lane::Interactive,
        }
    }

    /// Adds events of one subject. The group's sealed records and claims must be in place already.
    ///
    /// # Errors
    /// [`LogFault::Bug`] when an event names a sealed record or a claim that the group does not bring along.
    pub fn append(
        &mut self,
        subject: Subject,
        expected: Expected,
        events: &[Event],
        at: Timestamp,
        mut event_id: impl FnMut() -> EventId,
    ) -> Result<(), LogFault> {
        let sealed: HashMap<SealedId, &SealedRecord> = self.sealed.iter().map(|record| (record.id, record)).collect();
        let keys = Declared(&self.claims, &self.keys);
        let mut staged: Vec<NewEvent> = Vec::with_capacity(events.len());
        for event in events {
            if event.declares().is_some_and(|claim| !self.claims.iter().any(|brought| brought.claim == claim)) {
                return Err(LogFault::Bug(format!("{} declares a claim that is not in the group", event.event_type())));
            }
            let references = event.sealed().into_iter().map(|id| {
                let record = sealed.get(&id).ok_or_else(|| {
                    LogFault::Bug(format!("{} names {id}, which is not in the group", event.event_type()))
                })?;
                Ok(record.reference())
            });
            self.erase.extend(event.erases());
            let changes = changes(event, at, &keys, &mut staged);
            staged.push(NewEvent {
                id: event_id(),
                event_type: event.event_type(),
                type_version: event.type_version(),
                occurred_at: at,
                sealed: references.collect::<Result<_, LogFault>>()?,
                body: event.body().map_err(|error| LogFault::Bug(error.to_string()))?,
                changes,
            });
        }
        self.appends.push(Append { stream: StreamId::of(subject), expected, events: staged, snapshot: None });
        Ok(())
    }

    /// Folds its events once more: for a group that was kept without its row changes.
    ///
    /// # Errors
    /// [`LogFault::Damaged`] when an event does not read.
    pub(super) fn fold_again(&mut self) -> Result<(), LogFault> {
        let keys = Declared(&self.claims, &self.keys);
        for append in &mut self.appends {
            let Some(subject) = append.stream.subject() else { continue };
            for at in 0..append.events.len() {
                let (before, rest) = append.events.split_at_mut(at);
                let Some(kept) = rest.first_mut() else { break };
                let event = Event::read(subject, kept.event_type, kept.type_version, &kept.body)
                    .map_err(|error| LogFault::Damaged(format!("event {}: {error}", kept.id)))?;
                kept.changes = changes(&event, kept.occurred_at, &keys, before);
            }
        }
        Ok(())
    }

    /// [`Self::append`] of a user's events.
    pub fn append_user(
        &mut self,
        user: UserId,
        expected: Expected,
        events: &[UserEvent],
        at: Timestamp,
        event_id: impl FnMut() -> EventId,
    ) -> Result<(), LogFault> {
        let events: Vec<Event> = events.iter().map(|event| Event::User(user, event.clone())).collect();
        self.append(Subject::User(user), expected, &events, at, event_id)
    }

    /// Whether one of its events gives up the claim.
    pub(super) fn releases(&self, claim: ClaimId) -> bool {
        let gone = table::id(claim);
        self.changes()
            .any(|change| matches!(change, Change::Delete { table, value, .. } if **table == CLAIMS && *value == gone))
    }

    /// Persons for whom it seals something under a key that must be there already.
    pub(super) fn seals_for(&self) -> impl Iterator<Item = PersonId> {
        let mut persons: Vec<PersonId> = self.sealed.iter().map(|record| record.person).collect();
        persons.sort_unstable();
        persons.dedup();
        persons.into_iter().filter(|person| !self.person_keys.iter().any(|brought| brought.person == *person))
    }

    /// What each append expects holds before the group: two of one stream contradict each other.
    pub(super) fn stream_named_twice(&self) -> Option<&StreamId> {
        let mut appends = self.appends.iter().enumerate();
        let twice = appends.find(|(at, append)| self.appends[..*at].iter().any(|other| other.stream == append.stream));
        twice.map(|(_, append)| &append.stream)
    }

    /// Rows that it writes, roughly.
    pub(super) fn weight(&self) -> usize {
        self.changes().count() + self.appends.iter().map(|append| append.events.len()).sum::<usize>()
    }

    /// Every change of rows that follows from its events, in their order.
    pub(super) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.appends.iter().flat_map(|append| &append.events).flat_map(|event| &event.changes)
    }
}

impl Expected {
    /// Whether a stream that stands at `actual` is as expected; 0 is a stream that does not exist.
    pub(super) fn holds(self, actual: Version) -> bool {
        match self {
            Expected::NoStream => actual == 0,
            Expected::Exact(version) => actual == version,
            Expected::Any => true,
        }
    }
}
