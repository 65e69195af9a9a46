//! What is answered when something about organizations is not done.

use chrysalis_domain::organization::OrganizationRefusal;

use crate::app::{self, AppError};
use crate::log::LogFault;
use crate::log::cqrs::ExecuteError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotFound,
    /// The caller is no member of it.
    NotMember,
    NoActiveOrganization,
    /// Another organization has the slug.
    SlugTaken,
    TooManyOrganizations,
    MayNotUpdate,
    MayNotDelete,
    MayNotRemoveMember,
    MayNotChangeMember,
    MayNotInvite,
    /// With this role.
    MayNotInviteSo,
    MayNotCancel,
    MayNotListInvitations,
    MemberNotFound,
    AlreadyMember,
    OnlyOwner,
    /// As many owners and admins as there may be.
    TooManyLeaders,
    AlreadyInvited,
    TooManyInvitations,
    InvitationNotFound,
    NotRecipient,
    /// The invited address is the caller's, and not proven.
    NotProven,
    /// The same, where invitations are only looked at.
    NotProvenToLook,
    InvitationAccepted,
    InvitationExpired,
    InvitationRevoked,
}

impl From<Refusal> for app::Refusal {
    fn from(refusal: Refusal) -> Self {
        app::Refusal::Organization(refusal)
    }
}

impl From<Refusal> for AppError {
    fn from(refusal: Refusal) -> Self {
        AppError::Refused(refusal.into())
    }
}

impl From<OrganizationRefusal> for AppError {
    fn from(refusal: OrganizationRefusal) -> Self {
        match refusal {
            OrganizationRefusal::NotFound => Refusal::NotFound.into(),
            OrganizationRefusal::OnlyOwner => Refusal::OnlyOwner.into(),
            OrganizationRefusal::TooManyLeaders => Refusal::TooManyLeaders.into(),
            OrganizationRefusal::InvitationNotOpen => Refusal::InvitationNotFound.into(),
            OrganizationRefusal::InvitationExpired => Refusal::InvitationExpired.into(),
            OrganizationRefusal::TooManyInvitations => Refusal::TooManyInvitations.into(),
            // Whoever invites looks again; if all looks end here, it is a storm.
            OrganizationRefusal::Overtaken => {
                AppError::Unavailable { retry_after: chrysalis_domain::Span::from_secs(1) }
            }
            refusal @ (OrganizationRefusal::Exists | OrganizationRefusal::NotAllowed) => {
                AppError::Fault(LogFault::Bug(format!("a refusal that this use case does not expect: {refusal}")))
            }
        }
    }
}

/// What a caller is told whose role does not allow it.
pub(super) fn not_allowed(told: Refusal) -> impl FnOnce(ExecuteError) -> AppError {
    move |error| match error {
        ExecuteError::Disallowed(OrganizationRefusal::NotAllowed) => told.into(),
        error => error.into(),
    }
}
