//! What can happen, and to what: every kind of event there is.
//!
//! An event is for ever. Each aggregate lists its own with [`events!`]; here they come together for whoever reads the log
//! as a whole. Another aggregate is another line of [`subjects!`].

use crate::api_key::ApiKeyEvent;
use crate::attempts::AttemptsEvent;
use crate::challenge::ChallengeEvent;
use crate::id::{
    ApiKeyId, ChallengeId, ClaimId, JobId, MailId, NoteId, OrganizationId, PersonId, ProcessId, ProjectId, SealedId,
    UserId, WebhookId,
};
use crate::job::JobEvent;
use crate::keyring::KeyringEvent;
use crate::mail::MailEvent;
use crate::note::NoteEvent;
use crate::organization::OrganizationEvent;
use crate::process::expiry::ProcessEvent;
use crate::settings::SettingsEvent;
use crate::time::Day;
use crate::upcast::{self, Stored, Unreadable};
use crate::user::UserEvent;
use crate::webhook::WebhookEvent;

/// Declares the events of the aggregate: the type name and version of each, and how it is read and written.
macro_rules! events {
    ($events:ident: $($name:ident $version:literal,)*) => {
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[allow(clippy::large_enum_variant, reason = "events are few at a time: a box would cost more than it saves")]
        pub enum $events {
            $($name($name),)*
        }

        impl $events {
            pub const fn event_type(&self) -> &'static str {
                match self { $($events::$name(_) => stringify!($name),)* }
            }

            pub const fn type_version(&self) -> u16 {
                match self { $($events::$name(_) => $version,)* }
            }

            /// The exact bytes to store.
            pub fn body(&self) -> Result<Vec<u8>, serde_json::Error> {
                match self { $($events::$name(event) => serde_json::to_vec(event),)* }
            }
        }

        impl $crate::upcast::Stored for $events {
            const TYPES: &'static [(&'static str, u16)] = &[$((stringify!($name), $version),)*];

            fn parse(event_type: &str, body: &[u8]) -> Option<Result<Self, serde_json::Error>> {
                match event_type {
                    $(stringify!($name) => Some(serde_json::from_slice(body).map($events::$name)),)*
                    _ => None,
                }
            }
        }

        $(impl From<$name> for $events {
            fn from(event: $name) -> Self {
                $events::$name(event)
            }
        })*
    };
}

pub(crate) use events;

/// What an event names that stands outside of it.
pub trait Names {
    /// The claim that comes into being with this event.
    fn declares(&self) -> Option<ClaimId> {
        None
    }

    /// The sealed records this event names, in the order of its fields.
    fn sealed(&self) -> Vec<SealedId> {
        Vec::new()
    }

    /// Under whose key a record stands that it names; none where that is the key of what the stream is about.
    fn seals_for(&self, _record: SealedId) -> Option<PersonId> {
        None
    }

    /// Whose keys, and whatever is sealed under them, go with this event.
    fn erases(&self) -> Vec<PersonId> {
        Vec::new()
    }
}

/// Whose a sealed record is, as the event says that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    Person(PersonId),
    /// The person of what the stream is about.
    Subject(Subject),
}

/// Declares what streams are about: the id and the events of each kind, and how its streams are called in the log. A
/// name once written is for ever.
macro_rules! subjects {
    ($($name:ident($id:ident, $events:ident) $category:literal,)*) => {
        /// What a stream is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Subject {
            $($name($id),)*
        }

        impl Subject {
            /// What a stream is called: the category, a dash, the id.
            pub fn stream(self) -> String {
                match self { $(Subject::$name(id) => format!(concat!($category, "-{}"), id),)* }
            }

            /// What the stream of that name is about; none when this program knows no such thing.
            pub fn of_stream(name: &str) -> Option<Self> {
                let (category, id) = name.split_once('-')?;
                match category {
                    $($category => id.parse().ok().map(Subject::$name),)*
                    _ => None,
                }
            }
        }

        /// An event with what it happened to.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "nearly every event is a user's")]
        pub enum Event {
            $($name($id, $events),)*
        }

        impl Event {
            /// Reads a stored body as the event it is today.
            ///
            /// # Errors
            /// When a newer program wrote it, or the body is damaged.
            pub fn read(
                subject: Subject,
                event_type: &str,
                version: u16,
                body: &[u8],
            ) -> Result<Self, Unreadable> {
                Ok(match subject {
                    $(Subject::$name(id) => Event::$name(id, upcast::read(event_type, version, body)?),)*
                })
            }

            pub const fn subject(&self) -> Subject {
                match self { $(Event::$name(id, _) => Subject::$name(*id),)* }
            }

            pub const fn event_type(&self) -> &'static str {
                match self { $(Event::$name(_, event) => event.event_type(),)* }
            }

            pub const fn type_version(&self) -> u16 {
                match self { $(Event::$name(_, event) => event.type_version(),)* }
            }

            /// The exact bytes to store.
            pub fn body(&self) -> Result<Vec<u8>, serde_json::Error> {
                match self { $(Event::$name(_, event) => event.body(),)* }
            }

            fn names(&self) -> &dyn Names {
                match self { $(Event::$name(_, event) => event,)* }
            }
        }

        /// Every type that anything writes, with its current version.
        pub fn types() -> impl Iterator<Item = (&'static str, u16)> {
            let none: &[(&str, u16)] = &[];
            none.iter()$(.chain($events::TYPES))*.copied()
        }

        /// What the program of today makes of a stored body, whatever it is about; none when it doesn't read.
        #[cfg(test)]
        pub(crate) fn rewritten(event_type: &str, version: u16, body: &[u8]) -> Option<Vec<u8>> {
            $(if let Ok(event) = upcast::read::<$events>(event_type, version, body) {
                return event.body().ok();
            })*
            None
        }

        /// Whom a stored event erases, whatever it is about.
        #[cfg(test)]
        pub(crate) fn erased(event_type: &str, version: u16, body: &[u8]) -> Vec<PersonId> {
            $(if let Ok(event) = upcast::read::<$events>(event_type, version, body) {
                return event.erases();
            })*
            Vec::new()
        }
    };
}

subjects! {
    User(UserId, UserEvent) "user",
    Challenge(ChallengeId, ChallengeEvent) "challenge",
    Mail(MailId, MailEvent) "mail",
    Note(NoteId, NoteEvent) "note",
    Settings(ProjectId, SettingsEvent) "settings",
    ApiKey(ApiKeyId, ApiKeyEvent) "api_key",
    Job(JobId, JobEvent) "job",
    Webhook(WebhookId, WebhookEvent) "webhook",
    Organization(OrganizationId, OrganizationEvent) "organization",
    Process(ProcessId, ProcessEvent) "process",
    Attempts(Day, AttemptsEvent) "attempts",
    Keyring(ProjectId, KeyringEvent) "keyring",
}

/// The types of events by which somebody may be erased.
pub const ERASING: [&str; 10] = [
    "UserDeleted",
    "StrangerForgotten",
    "AttemptsForgotten",
    "InvitationAccepted",
    "InvitationRejected",
    "InvitationRevoked",
    "OrganizationDeleted",
    "JobEnded",
    "WebhookUpdated",
    "WebhookDeleted",
];

impl Event {
    /// The claim that comes into being with this event.
    pub fn declares(&self) -> Option<ClaimId> {
        self.names().declares()
    }

    /// The sealed records this event names, in the order of its fields.
    pub fn sealed(&self) -> Vec<SealedId> {
        self.names().sealed()
    }

    /// Whose a sealed record is that it names.
    pub fn owner(&self, record: SealedId) -> Owner {
        self.names().seals_for(record).map_or(Owner::Subject(self.subject()), Owner::Person)
    }

    /// Whose keys, and whatever is sealed under them, go with this event.
    pub fn erases(&self) -> Vec<PersonId> {
        self.names().erases()
    }

    /// The same as owners of records: with what the stream is about go its own.
    pub fn owners_erased(&self) -> Vec<Owner> {
        let own = match self {
            Event::User(_, UserEvent::UserDeleted(e)) => e.person.is_some(),
            Event::Organization(_, OrganizationEvent::OrganizationDeleted(e)) => e.person.is_some(),
            _ => false,
        };
        let own = own.then(|| Owner::Subject(self.subject()));
        self.erases().into_iter().map(Owner::Person).chain(own).collect()
    }
}
