//! What an event means to those who look on: the deeds that the audit trail lists and that others are told of.
//!
//! Another kind of event is an arm of [`of`]; another deed is a line of [`Action`]. Most events are none: they are how
//! something was done, and the deed is what was done. A deed holds nothing personal in clear: what is, it names as a sealed
//! record ([`sealed`]), for readers to open.

mod action;
mod organizations;
mod users;

use chrysalis_domain::api_key::ApiKeyEvent;
use chrysalis_domain::attempts::{AttemptKind, AttemptsEvent};
use chrysalis_domain::challenge::{ChallengeEvent, Purpose};
use chrysalis_domain::id::{ApiKeyId, ChallengeId, EventId, JobId, SealedId, UserId, WebhookId};
use chrysalis_domain::job::JobEvent;
use chrysalis_domain::keyring::KeyringEvent;
use chrysalis_domain::note::NoteEvent;
use chrysalis_domain::role::Roles;
use chrysalis_domain::settings::SettingsEvent;
use chrysalis_domain::user::UserEvent;
use chrysalis_domain::user::event::{
    DeletionReason, EmailClaimed, EndReason, ExpiryEvidence, GuestDisabled, GuestUpgraded, ProfileUpdated,
    ReleaseReason, UserDeleted,
};
use chrysalis_domain::value::{Authentication, Change as Field, ProofKind};
use chrysalis_domain::webhook::WebhookEvent;
use chrysalis_domain::webhook::event::DisabledReason;
use chrysalis_domain::{Event, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

pub use self::action::{Action, Name};
use crate::model::Entry;

/// Something that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    pub name: Name,
    /// To whom or what; the first is what it is about.
    pub targets: Vec<Target>,
    pub organization: Option<String>,
    /// What holds since, and what held before, by the names that answers have for it; null where nothing is known of it.
    pub before: Value,
    pub after: Value,
    pub metadata: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub kind: String,
    pub id: String,
}

/// The deeds of one event are at most so many.
pub const MOST: u64 = 8;

/// Where a deed stands among all: its event's position, and which of that event's deeds it is.
pub fn place(position: u64, nth: usize) -> u64 {
    position * MOST + nth as u64
}

/// What a deed is called. The time it was recorded and its place among all stand in the id, so that ids sort as deeds do,
/// and a place is found by an id without an index.
pub fn id(recorded_at: Timestamp, place: u64) -> EventId {
    let millis = u64::try_from(recorded_at.as_millis()).unwrap_or(0);
    EventId::from_ulid(ulid::Ulid::from_parts(millis, u128::from(place) << 16))
}

/// The place of the deed that is called so; of an id that no deed has, a place where none stands.
pub fn place_of(id: EventId) -> u64 {
    u64::try_from(id.ulid().random() >> 16).unwrap_or(u64::MAX)
}

/// A value that is a time: shown as text.
pub fn time(at: Timestamp) -> Value {
    json!({ "$time": at.as_millis() })
}

/// A value that is sealed: opened by who may read it.
pub fn sealed(record: SealedId) -> Value {
    json!({ "$sealed": record.to_string() })
}

/// What was done with an event, in the order in which it was done; mostly one thing or nothing.
pub fn of(entry: &Entry) -> Vec<Deed> {
    match &entry.event {
        Event::User(user, event) => users::deeds(*user, event),
        Event::Challenge(challenge, event) => challenges(*challenge, event),
        Event::Settings(_, event) => settings(event),
        Event::ApiKey(key, event) => api_keys(*key, event).into_iter().collect(),
        Event::Job(job, event) => jobs(*job, event).into_iter().collect(),
        Event::Webhook(webhook, event) => webhooks(*webhook, event).into_iter().collect(),
        Event::Note(_, NoteEvent::Noted(noted)) => {
            let targets = noted.targets.iter();
            let targets =
                targets.map(|target| Target { kind: target.kind.as_str().to_owned(), id: target.id.to_string() });
            let organization = noted.organization.as_ref().map(ToString::to_string);
            vec![Deed { targets: targets.collect(), organization, ..Deed::named(Name::Noted(noted.action.clone())) }]
        }
        Event::Organization(organization, event) => organizations::deeds(*organization, event),
        Event::Attempts(_, event) => attempts(event).into_iter().collect(),
        Event::Keyring(_, event) => vec![keyring(event)],
        Event::Mail(..) | Event::Process(..) => Vec::new(),
    }
}

fn challenges(challenge: ChallengeId, event: &ChallengeEvent) -> Vec<Deed> {
    match event {
        // For an address that nobody holds nothing is requested of anybody.
        ChallengeEvent::ChallengeIssued(e) if matches!(e.purpose, Purpose::ResetLink | Purpose::ResetCode) => {
            let requested = Deed::new(Action::PasswordResetRequested).with("purpose", e.purpose.name());
            let holder = e.holder.map(|holder| requested.on("user", holder.user).on("challenge", challenge));
            holder.into_iter().collect()
        }
        ChallengeEvent::ChallengeIssued(_)
        | ChallengeEvent::AuthorizationRequested(_)
        | ChallengeEvent::ChallengeMissed(_)
        | ChallengeEvent::ChallengeChecked(_)
        | ChallengeEvent::ChallengeMet(_)
        | ChallengeEvent::ChallengeVoided(_)
        | ChallengeEvent::StrangerForgotten(_) => Vec::new(),
    }
}

fn settings(event: &SettingsEvent) -> Vec<Deed> {
    let to = |kind, id: &str| Deed::new(Action::ConfigUpdated).on(kind, id);
    vec![match event {
        SettingsEvent::SettingsChanged(e) => to("config", "settings").from(written(&e.before), written(&e.after)),
        SettingsEvent::SocialProviderSaved(e) => {
            let saved = to("social_provider", &e.provider).from(written(&e.before), written(&e.after));
            saved.with("secret", if e.secret.is_some() { "given" } else { "kept" })
        }
        SettingsEvent::SocialProviderRemoved(e) => to("social_provider", &e.provider).with("removed", "true"),
    }]
}

fn api_keys(key: ApiKeyId, event: &ApiKeyEvent) -> Option<Deed> {
    let to = |action| Deed::new(action).on("api_key", key);
    Some(match event {
        ApiKeyEvent::ApiKeyCreated(e) => {
            let created = to(Action::ApiKeyCreated).with("start", e.secret.start.clone());
            let created = created.with("permissions", e.permissions.names().collect::<Vec<_>>().join(" "));
            let created = created.with_some("expiresAt", e.expires_at.map(time));
            Deed { organization: e.organization.map(|id| id.to_string()), ..created }
        }
        ApiKeyEvent::ApiKeyRotated(e) => {
            let rotated = to(Action::ApiKeyRotated).with("start", e.secret.start.clone());
            rotated.with("replacedUntil", time(e.replaced_until))
        }
        ApiKeyEvent::ApiKeySwitched(e) => {
            to(Action::ApiKeyUpdated).from(json!({ "enabled": !e.enabled }), json!({ "enabled": e.enabled }))
        }
        ApiKeyEvent::ApiKeyRevoked(_) => to(Action::ApiKeyRevoked),
        ApiKeyEvent::ApiKeyUsed(_) => return None,
    })
}

fn jobs(job: JobId, event: &JobEvent) -> Option<Deed> {
    let to = |action| Deed::new(action).on("job", job);
    match event {
        JobEvent::JobRequested(e) => Some(to(Action::JobRequested).from(Value::Null, written(&e.filter))),
        JobEvent::CleanUpRequested(e) => {
            let requested = to(Action::JobRequested).with("kind", "clean-up");
            let requested = requested.with("maxAge", e.clean_up.max_age_secs.to_string());
            Some(requested.with("cutoff", time(e.clean_up.cutoff)))
        }
        JobEvent::WaveDisablingRequested(e) => {
            let requested = to(Action::JobRequested).with("kind", "disable-wave");
            let requested = requested.with("from", time(e.wave.from)).with("to", time(e.wave.to));
            Some(requested.with_some("network", e.wave.network.map(|_| "given")))
        }
        JobEvent::WaveRestoringRequested(e) => {
            Some(to(Action::JobRequested).on("job", e.undoes).with("kind", "restore-wave"))
        }
        JobEvent::SessionsEndingRequested(e) => {
            Some(to(Action::JobRequested).with("kind", "end-sessions").with("before", time(e.before)))
        }
        JobEvent::JobEnded(e) => Some(to(Action::JobEnded).with("outcome", e.outcome.name())),
        JobEvent::JobAdvanced(_) => None,
    }
}

/// A key by its purpose and number; of several that went together, the newest.
fn keyring(event: &KeyringEvent) -> Deed {
    let (action, purpose, key) = match event {
        KeyringEvent::KeyAdded(e) => (Action::KeyRotated, &e.purpose, e.key),
        KeyringEvent::KeysRetired(e) => (Action::KeyRetired, &e.purpose, e.upto),
        KeyringEvent::KeysDestroyed(e) => (Action::KeyDestroyed, &e.purpose, e.upto),
    };
    let deed = Deed::new(action).on("key", format!("{purpose}/{key}"));
    let deed = deed.with("purpose", purpose.clone()).with("number", key.to_string());
    match event {
        KeyringEvent::KeyAdded(e) => deed.with("madeAt", time(e.made_at)),
        KeyringEvent::KeysRetired(_) | KeyringEvent::KeysDestroyed(_) => deed,
    }
}

/// Where an endpoint stands may hold what only its owner may know: that it moved is all that is said.
fn webhooks(webhook: WebhookId, event: &WebhookEvent) -> Option<Deed> {
    let to = |action| Deed::new(action).on("webhook", webhook);
    let enabled = |now: bool| to(Action::WebhookUpdated).from(json!({ "enabled": !now }), json!({ "enabled": now }));
    match event {
        WebhookEvent::WebhookCreated(e) => {
            let after = json!({ "eventTypes": e.event_types, "enabled": e.enabled });
            Some(to(Action::WebhookCreated).from(Value::Null, after))
        }
        WebhookEvent::WebhookUpdated(e) => {
            let updated = to(Action::WebhookUpdated).with_some("url", e.url.map(|_| "changed"));
            let types = e.event_types.as_ref();
            Some(types.map_or(updated.clone(), |types| updated.from(Value::Null, json!({ "eventTypes": types }))))
        }
        WebhookEvent::WebhookEnabled(_) => Some(enabled(true)),
        WebhookEvent::WebhookDisabled(e) => Some(match e.reason {
            DisabledReason::Requested => enabled(false),
            DisabledReason::LostDeliveries => to(Action::WebhookDisabled).with("reason", word(e.reason)),
        }),
        WebhookEvent::WebhookReplayed(e) => Some(to(Action::WebhookReplayed).with("from", e.from.to_string())),
        WebhookEvent::WebhookDeleted(_) => Some(to(Action::WebhookDeleted)),
        // It would be another message, which could be lost as well.
        WebhookEvent::DeliveryLost(_) => None,
    }
}

/// Where somebody came from of whom nothing else is known: a word of the metadata that readers show elsewhere.
pub const NETWORK: &str = "network";

fn attempts(event: &AttemptsEvent) -> Option<Deed> {
    let AttemptsEvent::AttemptsFailed(e) = event else { return None };
    let deed = Deed::new(match e.kind {
        AttemptKind::SignIn => Action::SignInFailed,
        AttemptKind::Upgrade => Action::UpgradeRefused,
        AttemptKind::RateLimit => Action::RateLimitHit,
        AttemptKind::ApiKey => Action::ApiKeyRefused,
    });
    let deed = deed.with("count", e.count.to_string()).with("since", time(e.minute));
    let deed = deed.with_some("reason", e.reason.as_ref().map(word)).with_some("path", e.path.clone());
    let deed = deed.with_some(NETWORK, e.network.map(|network| sealed(network.record)));
    Some(match e.user {
        Some(user) => deed.on("user", user),
        None => deed,
    })
}

impl Deed {
    pub fn new(action: Action) -> Self {
        Self::named(Name::Ours(action))
    }

    fn named(name: Name) -> Self {
        Self {
            name,
            targets: Vec::new(),
            organization: None,
            before: Value::Null,
            after: Value::Null,
            metadata: Map::new(),
        }
    }

    pub fn on(mut self, kind: &str, id: impl ToString) -> Self {
        self.targets.push(Target { kind: kind.to_owned(), id: id.to_string() });
        self
    }

    pub fn within(mut self, organization: impl ToString) -> Self {
        self.organization = Some(organization.to_string());
        self
    }

    pub fn from(mut self, before: Value, after: Value) -> Self {
        (self.before, self.after) = (before, after);
        self
    }

    /// Of metadata, which are texts and times.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.metadata.insert(name.to_owned(), value.into());
        self
    }

    pub fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn by(self, authentication: &Authentication) -> Self {
        let method = self.with("method", authentication.method.name());
        method.with_some("provider", authentication.provider.clone())
    }

    fn of_password(self) -> Self {
        self.with("provider", crate::accounts::CREDENTIAL)
    }

    fn with_evidence(self, evidence: &ExpiryEvidence) -> Self {
        let ExpiryEvidence { settings_version, job, max_age_secs, cutoff, .. } = evidence;
        let deed = self.with("maxAge", max_age_secs.to_string()).with("cutoff", time(*cutoff));
        deed.with("settingsVersion", settings_version.to_string()).with_some("job", job.map(|job| job.to_string()))
    }
}

/// A word as events spell it.
fn word(word: impl Serialize) -> Value {
    written(&word)
}

/// As the event has it.
fn written(value: &impl Serialize) -> Value {
    // Nothing that stands in an event fails to be written.
    serde_json::to_value(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrysalis_domain::user::histories::{Life, lives};
    use chrysalis_domain::value::Word;
    use proptest::prelude::*;

    use super::*;
    use crate::model::Actor;

    fn entry(user: UserId, position: u64, event: UserEvent) -> Entry {
        Entry {
            position,
            id: "evt_01JM0000000000000000000001".to_owned(),
            recorded_at: Timestamp::from_millis(1),
            occurred_at: Timestamp::from_millis(1),
            actor: Actor { kind: "user".to_owned(), id: None, by: None, impersonator: None },
            request: None,
            cause: None,
            settings_version: 0,
            event: Event::User(user, event),
        }
    }

    proptest! {
        /// Whatever a user does: each deed is about the user, has a place of its own, and says nothing but texts, times and
        /// names of sealed records.
        #[test]
        fn deeds_of_any_life_can_be_told(steps in lives()) {
            let (mut life, mut position) = (Life::numbered(1), 0);
            let mut places = BTreeSet::new();
            for step in &steps {
                for event in life.live(step).outcome.into_iter().flatten() {
                    let user = life.user.id.expect("who has events has an id");
                    position += 1;
                    for (nth, deed) in of(&entry(user, position, event)).into_iter().enumerate() {
                        prop_assert_eq!(&deed.targets[0], &Target { kind: "user".to_owned(), id: user.to_string() });
                        prop_assert!(nth < MOST as usize && places.insert(place(position, nth)));
                        for value in deed.metadata.values() {
                            prop_assert!(value.is_string() || value.get("$time").is_some(), "{}", value);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn ids_sort_as_deeds_do_and_lead_back_to_them() {
        let id = |millis, position, nth| id(Timestamp::from_millis(millis), place(position, nth));
        let ids = [id(5, 7, 0), id(5, 7, 1), id(5, 8, 0), id(6, 9, 0), id(6, u64::MAX / 16, 7)];
        assert!(ids.iter().map(ToString::to_string).is_sorted_by(|one, next| one < next));
        assert_eq!(place_of(ids[1]), place(7, 1));
        assert_eq!(place_of(ids[4]), place(u64::MAX / 16, 7));
    }

    #[test]
    fn every_name_reads_back_and_is_one_that_an_app_could_not_take() {
        for action in Action::ALL {
            assert_eq!(Action::from_name(action.name()), Some(*action));
            assert!(Word::parse(action.name()).is_some());
        }
        assert_eq!(Action::ALL.iter().map(|action| action.name()).collect::<BTreeSet<_>>().len(), Action::ALL.len());
    }
}
