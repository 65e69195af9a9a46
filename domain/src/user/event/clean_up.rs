//! What happens to guests who stay away, or are taken out of use; and how users go.

use serde::{Deserialize, Serialize};

use crate::id::{JobId, PersonId, SealedId, SessionId};
use crate::time::Timestamp;

/// The guest has been away for so long that it will be deleted, not before `expires_at`, unless it comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestExpiryAnnounced {
    pub evidence: ExpiryEvidence,
    pub expires_at: Timestamp,
    pub at: Timestamp,
}

/// Until then no clean-up takes the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestHeld {
    pub until: Timestamp,
    /// What was said of why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<SealedId>,
    pub last_activity: Timestamp,
    pub at: Timestamp,
}

/// A clean-up may take the guest again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestReleased {
    pub last_activity: Timestamp,
    pub at: Timestamp,
}

/// The guest was taken out of use: by a clean-up, or by a job with all who came with it. Its sessions are ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestDisabled {
    /// Of a clean-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<ExpiryEvidence>,
    /// Of a job: what it did it can undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<DisabledBy>,
    pub at: Timestamp,
    /// Until then a clean-up can be undone; none where it was a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_at: Option<Timestamp>,
}

impl GuestDisabled {
    /// False where the guest goes in the same breath.
    pub fn can_be_undone(&self) -> bool {
        self.final_at.is_none_or(|final_at| final_at > self.at)
    }
}

/// The job that took a guest out of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisabledBy {
    pub job: JobId,
    pub last_activity: Timestamp,
}

/// The guest is as it was before it was taken out of use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestRestored {
    /// Sessions that were ended by it, and that are live again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionId>,
    /// Until then no clean-up takes it again; none where it came back by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Timestamp>,
    pub last_activity: Timestamp,
    pub at: Timestamp,
}

/// Why a clean-up was allowed to: what an auditor needs to check it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiryEvidence {
    /// Version of the settings that held the policy, or with which the job was asked for that names the age.
    pub settings_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    pub max_age_secs: i64,
    /// Who was active before this time had been away for too long.
    pub cutoff: Timestamp,
    pub last_activity: Timestamp,
}

/// The user is gone. Nothing is accepted after this event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDeleted {
    /// The person behind the user: with this event their key and what is sealed under it are destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    pub reason: DeletionReason,
    pub was_guest: bool,
    pub last_activity: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<ExpiryEvidence>,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletionReason {
    /// The user asked for it.
    Requested,
    /// A guest past its maximum age.
    AnonymousMaxAge,
    /// An administrator asked for it.
    Administrator,
}

impl DeletionReason {
    pub const fn name(self) -> &'static str {
        match self {
            DeletionReason::Requested => "requested",
            DeletionReason::AnonymousMaxAge => "anonymous_max_age",
            DeletionReason::Administrator => "administrator",
        }
    }
}
