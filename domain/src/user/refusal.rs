//! Why a command on a user is refused: typed, so that the caller can act on it.

use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserRefusal {
    #[error("there is no such user")]
    NotFound,
    #[error("the user exists already")]
    Exists,
    #[error("the user was deleted")]
    Deleted,
    #[error("the user is not anonymous")]
    NotAnonymous,
    #[error("the user is none of those who were meant")]
    NotMatching,
    #[error("the session is not live")]
    SessionNotLive,
    #[error("the user is anonymous")]
    Anonymous,
    #[error("the user has a password")]
    HasPassword,
    #[error("the address is not verified")]
    EmailNotVerified,
    #[error("the user has no address")]
    NoAddress,
    #[error("the user is banned")]
    Banned,
    #[error("the user administers")]
    Administers,
    #[error("whoever has this session acts as the user, and is not them")]
    Impersonated,
    #[error("the user has no password")]
    NoPassword,
    #[error("the password was changed in between")]
    PasswordChangedMeanwhile,
    #[error("the claim is not held by this user")]
    ClaimNotHeld,
    #[error("a verified address never yields")]
    ClaimVerified,
    #[error("the challenge is not the one that stands")]
    ChallengeUnknown,
    #[error("the challenge has expired")]
    ChallengeExpired,
    #[error("the identity is linked already")]
    IdentityLinked,
    #[error("the user has as many identities as there may be")]
    TooManyIdentities,
    #[error("the user has no such account")]
    AccountUnknown,
    #[error("it is the last way in")]
    LastAccount,
    #[error("the user is a member of the organization already")]
    AlreadyMember,
    #[error("the user is no such member of the organization")]
    NotMember,
    #[error("the user is a member of, or has made, as many organizations as there may be")]
    TooManyMemberships,
    #[error("the guest was active at {last_activity}, after the cutoff")]
    GuestActive { last_activity: Timestamp },
    #[error("the guest is held until {until}")]
    GuestHeld { until: Timestamp },
    #[error("the guest has not been told long enough that it will be deleted")]
    GuestNotTold,
    #[error("the guest is not one that a clean-up took out of use")]
    GuestNotDisabled,
    #[error("it can be undone until {until}")]
    StillUndoable { until: Timestamp },
}
