//! The whole system as it was at a time: who there was, counted, or one by one. Folded anew from the log by the domain's own
//! fold, user by user, so that it takes as much memory for ten million as for ten.

use chrysalis_domain::id::{OrganizationId, UserId};
use chrysalis_domain::organization::{Existence, Organization};
use chrysalis_domain::user::{Standing, User};
use chrysalis_domain::{Event, Subject, Timestamp};
use serde::Serialize;

use super::Trail;
use super::state::UserThen;
use crate::log::{LogFault, Position, Recorded, StreamId, Version, read_event, times};
use crate::wire::json_time::JsonTime;

/// Positions looked at together for what begins or ends.
const WINDOW: Position = 50_000;
/// Users folded together, and events of each that are read with the others'.
const USERS: usize = 64;
const EVENTS: Version = 64;
/// Further events of one user, read at a time.
const FURTHER: usize = 512;

/// With these a user, an organization or a key comes into being; and a key goes.
const BOUNDS: [&str; 5] = ["GuestCreated", "MemberSignedUp", "OrganizationCreated", "ApiKeyCreated", "ApiKeyRevoked"];

/// How much there was of what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Events that count: all up to this position.
    pub position: Position,
    /// Users that ever were.
    pub users: u64,
    pub guests: u64,
    /// Guests whose upgrade awaited proof.
    pub provisional: u64,
    pub members: u64,
    /// Guests who were out of use, and not gone.
    pub disabled: u64,
    pub deleted: u64,
    pub banned: u64,
    /// Users with a proven address.
    pub verified: u64,
    /// Sessions that were good then.
    pub sessions: u64,
    pub organizations: u64,
    /// Members of organizations, all taken together.
    pub memberships: u64,
    /// Keys that were not revoked.
    pub api_keys: u64,
}

/// One user, at a time.
#[derive(Clone, Debug)]
pub struct One {
    id: UserId,
    state: User,
    created_at: Timestamp,
}

impl Totals {
    fn add(&mut self, user: &User, at: Timestamp) {
        self.users += 1;
        match user.standing {
            Standing::Guest => self.guests += 1,
            Standing::Provisional => self.provisional += 1,
            Standing::Member => self.members += 1,
            Standing::Disabled => self.disabled += 1,
            Standing::Deleted => self.deleted += 1,
            Standing::Absent => {}
        }
        self.banned += u64::from(user.is_banned(at));
        self.verified += u64::from(user.email.as_ref().is_some_and(|email| email.verified));
        self.sessions += user.sessions.values().filter(|session| session.expires_at > at).count() as u64;
    }

    fn bound(&mut self, event_type: &str) {
        match event_type {
            "ApiKeyCreated" => self.api_keys += 1,
            "ApiKeyRevoked" => self.api_keys = self.api_keys.saturating_sub(1),
            _ => {}
        }
    }
}

/// Goes through everybody who had come by a time, in the order in which they came.
pub struct Census<'a> {
    trail: Trail<'a>,
    at: Timestamp,
    upto: Position,
    after: Position,
    /// What was counted so far.
    pub totals: Totals,
}

impl<'a> Census<'a> {
    pub async fn at(trail: Trail<'a>, at: Timestamp) -> Result<Self, LogFault> {
        let upto = times::upto(trail.log, at).await?;
        Ok(Self { trail, at, upto, after: 0, totals: Totals { position: upto, ..Totals::default() } })
    }

    /// The next few, folded and counted; nothing when everybody was.
    pub async fn next(&mut self) -> Result<Option<Vec<One>>, LogFault> {
        if self.after >= self.upto {
            return Ok(None);
        }
        let upto = self.upto.min(self.after + WINDOW);
        let page = self.trail.log.read_types(&BOUNDS, self.after, upto, USERS).await?;
        self.after = page.last().filter(|_| page.len() == USERS).map_or(upto, |last| last.position);
        page.iter().for_each(|event| self.totals.bound(&event.event_type));
        for subject in page.iter().filter_map(|event| event.stream.subject()) {
            if let Subject::Organization(id) = subject {
                self.count(id).await?;
            }
        }
        let users: Vec<UserId> = page.iter().filter_map(|event| event.stream.as_user()).collect();
        let folded = self.fold(&users).await?;
        for one in &folded {
            self.totals.add(&one.state, self.at);
        }
        Ok(Some(folded))
    }

    /// One organization: who is in it stands in its own stream.
    async fn count(&mut self, id: OrganizationId) -> Result<(), LogFault> {
        let (stream, mut version) = (StreamId::of(Subject::Organization(id)), 0);
        let mut state = Organization::default();
        loop {
            let page = self.trail.log.read_stream(&stream, version, FURTHER).await?;
            for recorded in page.iter().filter(|recorded| recorded.position <= self.upto) {
                if let Some(Event::Organization(_, event)) = read_event(recorded)? {
                    state.apply(&event);
                }
            }
            match page.last() {
                Some(last) if page.len() == FURTHER && last.position < self.upto => version = last.version,
                _ => break,
            }
        }
        if state.existence == Existence::Standing {
            self.totals.organizations += 1;
            self.totals.memberships += state.leaders.len() as u64 + state.others;
        }
        Ok(())
    }

    async fn fold(&self, users: &[UserId]) -> Result<Vec<One>, LogFault> {
        let streams: Vec<StreamId> = users.iter().map(|user| StreamId::user(*user)).collect();
        if streams.is_empty() {
            return Ok(Vec::new());
        }
        let mut all: Vec<One> = Vec::with_capacity(users.len());
        let mut long = Vec::new();
        for recorded in self.trail.log.read_streams(&streams, EVENTS).await? {
            let Some(id) = recorded.stream.as_user() else { continue };
            if all.last().is_none_or(|last| last.id != id) {
                all.push(One { id, state: User::default(), created_at: recorded.occurred_at });
            }
            if recorded.version == EVENTS && recorded.position < self.upto {
                long.push(all.len() - 1);
            }
            if let Some(one) = all.last_mut() {
                self.take(one, &recorded)?;
            }
        }
        for place in long {
            if let Some(one) = all.get_mut(place) {
                self.go_on(one).await?;
            }
        }
        Ok(all)
    }

    /// The rest of a long life.
    async fn go_on(&self, one: &mut One) -> Result<(), LogFault> {
        let (stream, mut version) = (StreamId::user(one.id), EVENTS);
        loop {
            let page = self.trail.log.read_stream(&stream, version, FURTHER).await?;
            for recorded in &page {
                self.take(one, recorded)?;
            }
            match page.last() {
                Some(last) if page.len() == FURTHER && last.position < self.upto => version = last.version,
                _ => return Ok(()),
            }
        }
    }

    fn take(&self, one: &mut One, recorded: &Recorded) -> Result<(), LogFault> {
        if recorded.position <= self.upto
            && let Some(Event::User(_, event)) = read_event(recorded)?
        {
            one.state.apply(&event);
        }
        Ok(())
    }

    /// Writes one of them down; nothing of who was gone.
    pub async fn tell(&self, one: One) -> Result<Option<UserThen>, LogFault> {
        if one.state.standing == Standing::Deleted {
            return Ok(None);
        }
        self.trail.then(one.id, one.state, one.created_at, self.at).await.map(Some)
    }

    /// By the log's own time: what was recorded then or before counts.
    pub fn time(&self) -> JsonTime {
        self.at.into()
    }
}
