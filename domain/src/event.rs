//! What can happen, and to what: every kind of event there is.
//!
//! An event is for ever. Each aggregate lists its own with [`events!`]; here they come together for whoever reads the log
//! as a whole.

use crate::challenge::ChallengeEvent;
use crate::id::{ChallengeId, ClaimId, MailId, SealedId, UserId};
use crate::mail::MailEvent;
use crate::upcast::{self, Unreadable};
use crate::user::UserEvent;

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

/// What a stream is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    User(UserId),
    Challenge(ChallengeId),
    Mail(MailId),
}

/// An event with what it happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    User(UserId, UserEvent),
    Challenge(ChallengeId, ChallengeEvent),
    Mail(MailId, MailEvent),
}

impl Event {
    /// Reads a stored body as the event it is today.
    ///
    /// # Errors
    /// When a newer program wrote it, or the body is damaged.
    pub fn read(subject: Subject, event_type: &str, version: u16, body: &[u8]) -> Result<Self, Unreadable> {
        Ok(match subject {
            Subject::User(user) => Event::User(user, upcast::read(event_type, version, body)?),
            Subject::Challenge(challenge) => Event::Challenge(challenge, upcast::read(event_type, version, body)?),
            Subject::Mail(mail) => Event::Mail(mail, upcast::read(event_type, version, body)?),
        })
    }

    pub const fn subject(&self) -> Subject {
        match self {
            Event::User(user, _) => Subject::User(*user),
            Event::Challenge(challenge, _) => Subject::Challenge(*challenge),
            Event::Mail(mail, _) => Subject::Mail(*mail),
        }
    }

    pub const fn event_type(&self) -> &'static str {
        match self {
            Event::User(_, event) => event.event_type(),
            Event::Challenge(_, event) => event.event_type(),
            Event::Mail(_, event) => event.event_type(),
        }
    }

    pub const fn type_version(&self) -> u16 {
        match self {
            Event::User(_, event) => event.type_version(),
            Event::Challenge(_, event) => event.type_version(),
            Event::Mail(_, event) => event.type_version(),
        }
    }

    /// The exact bytes to store.
    pub fn body(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Event::User(_, event) => event.body(),
            Event::Challenge(_, event) => event.body(),
            Event::Mail(_, event) => event.body(),
        }
    }

    /// The claim that comes into being with this event.
    pub fn declares(&self) -> Option<ClaimId> {
        match self {
            Event::User(_, event) => event.declares(),
            Event::Challenge(..) | Event::Mail(..) => None,
        }
    }

    /// The sealed records this event names, in the order of its fields.
    pub fn sealed(&self) -> Vec<SealedId> {
        match self {
            Event::User(_, event) => event.sealed(),
            Event::Challenge(_, event) => event.sealed(),
            Event::Mail(..) => Vec::new(),
        }
    }
}
