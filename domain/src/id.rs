//! Typed, prefixed ids. Parsed once at the edge, then trusted.
//!
//! An id is a prefix that names its kind and a ULID in upper-case Crockford base 32 (26 characters). The first 48 bits
//! of a ULID are its time of creation, so ids made one after another stand side by side in every index.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, de};
use sha2::{Digest, Sha256};
use ulid::Ulid;

/// The text is not an id of the kind that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind: expected \"{prefix}\" and 26 characters of Crockford base 32")]
pub struct InvalidId {
    prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            pub const fn from_ulid(ulid: Ulid) -> Self {
                Self(ulid)
            }

            pub const fn ulid(self) -> Ulid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0; ulid::ULID_LEN];
                f.write_str($prefix)?;
                f.write_str(self.0.array_to_str(&mut buffer))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Accepts exactly what `Display` writes: an id has one spelling, so that text equality is id equality.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let refused = InvalidId { prefix: $prefix };
                let ulid = text.strip_prefix($prefix).ok_or(refused)?;
                let parsed = Ulid::from_string(ulid).map_err(|_| refused)?;
                let mut buffer = [0; ulid::ULID_LEN];
                if parsed.array_to_str(&mut buffer) == ulid { Ok(Self(parsed)) } else { Err(refused) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A user: guest or member. Never changes, never reused.
    UserId = "usr_";
    /// A session. Stays the same when the session's token is rotated.
    SessionId = "ses_";
    /// One way in: a password, or a linked social identity.
    AccountId = "acc_";
    /// An exclusive hold on an address or a social identity.
    ClaimId = "clm_";
    /// A one-time proof that was asked for, such as a verification link.
    ChallengeId = "chl_";
    /// A mail, on its way or sent.
    MailId = "mail_";
    /// A webhook endpoint.
    WebhookId = "wh_";
    /// What one webhook endpoint is told of one event: the same however often it is told.
    MessageId = "msg_";
    /// An organization: users who belong together.
    OrganizationId = "org_";
    /// One user's membership of one organization. Who comes back has another.
    MemberId = "mem_";
    /// An invitation to an organization.
    InvitationId = "inv_";
    /// A human being whose data are sealed under one key. Not the user id: someone invited is a person too.
    PersonId = "per_";
    /// A key by which another program administers.
    ApiKeyId = "key_";
    /// One sealed record: one value of one person, named by one event.
    SealedId = "sld_";
    /// One event in the log.
    EventId = "evt_";
    /// What somebody outside noted in the audit trail.
    NoteId = "note_";
    /// One decision that was asked of an aggregate.
    CommandId = "cmd_";
    /// One HTTP request.
    RequestId = "req_";
    /// Something long that was asked for once.
    JobId = "job_";
    /// A project: the tenant that an API key names.
    ProjectId = "proj_";
    /// Something that follows from others without being asked.
    ProcessId = "prc_";
}

impl ProjectId {
    /// The project of everything that names none.
    pub const DEFAULT: ProjectId = ProjectId(Ulid::nil());
}

impl ProcessId {
    /// The clean-up of guests.
    pub const EXPIRY: ProcessId = ProcessId(Ulid::from_bytes(*b"\0\0\0\0\0\0guest-away"));
}

/// Half of the id of what follows from something: the same for the same cause and step, on any node, however often it is
/// done. The other half is the time of the cause, so that neighbours stay neighbours.
fn following(cause: Ulid, step: &[&[u8]]) -> Ulid {
    let mut hash = Sha256::new_with_prefix(cause.to_bytes());
    step.iter().for_each(|part| hash.update(part));
    let hash: [u8; 32] = hash.finalize().into();
    let mut low = [0; 16];
    low[6..].copy_from_slice(&hash[..10]);
    Ulid::from_parts(cause.timestamp_ms(), u128::from_be_bytes(low))
}

impl CommandId {
    /// The command that follows from an event.
    pub fn after(cause: EventId, step: &str) -> Self {
        Self(following(cause.0, &[b"command", step.as_bytes()]))
    }
}

impl EventId {
    /// The event with that place among those of a command.
    pub fn of(command: CommandId, ordinal: u32) -> Self {
        Self(following(command.0, &[b"event", &ordinal.to_be_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden: what was done once must be known again for ever.
    #[test]
    fn what_follows_from_the_same_has_the_same_id() {
        let cause: EventId = "evt_01JM0000000000000000000001".parse().unwrap();
        let command = CommandId::after(cause, "expire");
        assert_eq!(command.to_string(), "cmd_01JM0000007J2PZH3DYSJDG3CX");
        assert_eq!(EventId::of(command, 0).to_string(), "evt_01JM000000ADJ5AF9CGJ0D3KTN");
        assert_ne!(CommandId::after(cause, "finish"), command);
        assert_ne!(EventId::of(command, 1), EventId::of(command, 0));
        assert_eq!(command.ulid().timestamp_ms(), cause.ulid().timestamp_ms());
    }

    #[test]
    fn an_id_reads_back_as_written_and_in_no_other_spelling() {
        let id = UserId::from_ulid(Ulid::from_parts(1_700_000_000_000, 42));
        let text = id.to_string();
        assert_eq!(text.len(), 30);
        assert_eq!(text.parse::<UserId>(), Ok(id));
        assert!(text.to_lowercase().parse::<UserId>().is_err());
        assert!(text.parse::<SessionId>().is_err());
        assert!(format!("{text} ").parse::<UserId>().is_err());
        assert!("usr_".parse::<UserId>().is_err());
    }
}
