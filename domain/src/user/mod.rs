//! The user: guest -> provisional -> member -> deleted, with its sessions, credentials, identities and claims.
//!
//! One aggregate holds a person's whole life, so that an upgrade is a change of state and nothing that points at the
//! user id has to move. State is a function of the events ([`User::apply`]); a decision is a function of state and
//! command ([`User::decide`]).

mod apply;
pub mod command;
mod cqrs;
mod decide;
pub mod event;
#[cfg(any(test, feature = "histories"))]
pub mod histories;
mod impersonation;
mod refusal;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod scenarios;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use command::{Timed, UserCommand};
pub use event::UserEvent;
pub use impersonation::{Impersonation, Impersonator};
pub use refusal::UserRefusal;

use crate::decider::decider;
use crate::id::{
    AccountId, ChallengeId, ClaimId, JobId, MemberId, OrganizationId, PersonId, SealedId, SessionId, UserId,
};
use crate::role::Roles;
use crate::time::Timestamp;
use crate::user::event::ExpiryEvidence;
use crate::value::{Locator, Method, TokenHash};

/// Where a user stands. The order is that of a life; only supersession leads back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// No event yet.
    #[default]
    Absent,
    Guest,
    /// Strict mode: an upgrade that awaits proof. Still a guest everywhere.
    Provisional,
    Member,
    /// Taken out of use by a clean-up, not yet gone; or by a job that named many.
    Disabled,
    Deleted,
}

impl Standing {
    /// The one place that answers "is this a guest?".
    pub const fn is_guest(self) -> bool {
        matches!(self, Standing::Guest | Standing::Provisional | Standing::Disabled)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Standing::Absent => "absent",
            Standing::Guest => "guest",
            Standing::Provisional => "provisional",
            Standing::Member => "member",
            Standing::Disabled => "disabled",
            Standing::Deleted => "deleted",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        use Standing::*;
        [Absent, Guest, Provisional, Member, Disabled, Deleted].into_iter().find(|standing| standing.name() == name)
    }
}

/// The state of a user: what decisions rest on, and no more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: Option<UserId>,
    pub person: Option<PersonId>,
    pub standing: Standing,
    pub last_activity: Timestamp,
    pub email: Option<Email>,
    pub password: Option<Password>,
    pub suspended: Option<SuspendedPassword>,
    pub identities: Vec<Identity>,
    pub sessions: BTreeMap<SessionId, Session>,
    pub verification: Option<Verification>,
    /// How a provisional user asked to become a member.
    pub pending_upgrade: Option<Method>,
    /// Somebody else proved the address this user had reserved. A clean-up treats them as a member from then on.
    pub superseded: bool,
    /// The member to whom belongs what this guest did.
    pub transferred_to: Option<UserId>,
    /// No clean-up takes the guest before the end of it.
    pub held: Option<Held>,
    /// It was said that the guest will be deleted, and nobody came since.
    pub announced: Option<Announced>,
    /// What can be undone, where the guest was taken out of use.
    pub disabled: Option<Disabled>,
    /// Guests whose doings belong to this member.
    pub absorbed: BTreeSet<UserId>,
    /// Counts what ended all pending acts of the user: links, codes and the like that were begun in an earlier epoch are
    /// void (SECURITY S2).
    pub epoch: u32,
    /// The code with which a guest can come back.
    pub recovery: Option<TokenHash>,
    pub link: Option<DeviceLink>,
    /// At most one of each organization.
    pub memberships: BTreeMap<OrganizationId, Membership>,
    pub roles: Roles,
    pub ban: Option<Ban>,
    /// What the app decides about the user.
    pub app_metadata: Option<SealedId>,
    pub name: Option<SealedId>,
    pub image: Option<SealedId>,
    pub metadata: Option<SealedId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    pub claim: ClaimId,
    pub address: SealedId,
    pub verified: bool,
    /// The session that made the claim: it alone goes on if the claim is superseded.
    pub session: Option<SessionId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Password {
    pub account: AccountId,
    pub hash: SealedId,
    pub proven: bool,
}

/// A password that was put out of use by a proof of the address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspendedPassword {
    pub account: AccountId,
    pub hash: SealedId,
    /// Where it can be restored.
    pub session: SessionId,
    pub until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub account: AccountId,
    pub claim: ClaimId,
    pub provider: String,
    pub proven: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub locator: Locator,
    pub token_hash: TokenHash,
    pub started_at: Timestamp,
    pub expires_at: Timestamp,
    pub remembered: bool,
    pub authenticated_at: Timestamp,
    pub last_seen: Timestamp,
    /// Presented at least once, by whichever carrier.
    pub presented: bool,
    pub by_cookie: bool,
    pub replayed: bool,
    pub replayable: bool,
    /// The membership that was chosen last; it may have ended since.
    pub active: Option<MemberId>,
    /// The user's roles changed since the token was made.
    pub rotation_due: bool,
    /// Whoever has it acts as the user.
    pub impersonation: Option<Impersonation>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    pub reason: SealedId,
    /// None: until it is lifted.
    pub until: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub member: MemberId,
    /// The organization was made by this user.
    pub founded: bool,
}

/// Organizations that one user may be a member of: all of them are left in the decision by which the user goes.
pub const MEMBERSHIPS_MAX: usize = 1_000;
/// Organizations that a guest may have made.
pub const GUEST_FOUNDS_MAX: usize = 5;

/// Another device that is to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLink {
    pub hash: TokenHash,
    pub expires_at: Timestamp,
    /// What the device that typed the code shows itself by.
    pub ticket: Option<TokenHash>,
    pub client: Option<SealedId>,
    pub confirmed: bool,
}

/// The one verification that stands. A later one replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    pub challenge: ChallengeId,
    pub claim: ClaimId,
    pub expires_at: Timestamp,
    /// Wrong passwords that were given with it.
    pub missed: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub since: Timestamp,
    pub until: Timestamp,
    pub reason: Option<SealedId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    pub at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// Why a clean-up did it.
    pub evidence: Option<ExpiryEvidence>,
    /// The job that did it.
    pub by: Option<JobId>,
    pub at: Timestamp,
    /// When a clean-up takes the guest for good.
    pub final_at: Option<Timestamp>,
    /// The sessions that were ended.
    pub sessions: BTreeMap<SessionId, Session>,
}

decider!(User: User(UserId), UserCommand, UserEvent, UserRefusal, format 8);

impl User {
    pub fn is_banned(&self, at: Timestamp) -> bool {
        self.ban.as_ref().is_some_and(|ban| ban.until.is_none_or(|until| until > at))
    }

    /// The session, if it is live at that time.
    pub fn live_session(&self, id: SessionId, at: Timestamp) -> Option<&Session> {
        self.sessions.get(&id).filter(|session| session.expires_at > at)
    }
}
