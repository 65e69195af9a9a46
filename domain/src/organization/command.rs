//! What can be asked of an organization, with every fact the decision needs.

use super::Role;
use crate::id::{ClaimId, InvitationId, MailId, MemberId, OrganizationId, PersonId, SealedId, UserId};
use crate::time::Timestamp;
use crate::value::{Change, Locale};

/// In whose name something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A member's own, with what their role allows.
    Member(UserId),
    /// That of the app itself, by a key of the API.
    App,
}

/// A member as the command means them: whether they are one, the user's own state says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub member: MemberId,
    pub user: UserId,
}

#[derive(Clone, Debug)]
pub enum OrganizationCommand {
    Create {
        organization: OrganizationId,
        person: PersonId,
        name: SealedId,
        logo: Option<SealedId>,
        metadata: Option<SealedId>,
        slug: NewSlug,
        /// Its first owner. None where the app makes it for people who are yet to come: it is held until then.
        founder: Option<Target>,
    },
    Update {
        by: By,
        name: Option<SealedId>,
        logo: Change,
        metadata: Change,
        slug: Option<NewSlug>,
    },
    /// By the app alone.
    AddMember {
        target: Target,
        role: Role,
    },
    ChangeRole {
        by: By,
        target: Target,
        role: Role,
    },
    RemoveMember {
        by: By,
        target: Target,
    },
    Leave {
        target: Target,
    },
    /// The user is gone: it is not asked whether they may.
    Depart {
        target: Target,
    },
    Invite {
        by: By,
        invitation: NewInvitation,
        /// How many invitations there had been when it was looked whether the address has one: another number now, and
        /// it has to be looked again.
        seen: u64,
        /// One for the same address that is past its time.
        instead_of: Option<InvitationId>,
    },
    RenewInvitation {
        by: By,
        invitation: InvitationId,
        address: SealedId,
        invitee: Option<UserId>,
        notice: InvitationNotice,
        expires_at: Timestamp,
    },
    RevokeInvitation {
        by: By,
        invitation: InvitationId,
    },
    /// By who was invited: that they read the address, the user's own state says.
    AcceptInvitation {
        invitation: InvitationId,
        target: Target,
    },
    RejectInvitation {
        invitation: InvitationId,
        user: UserId,
    },
    /// Nobody asks: invitations that are past their time end.
    ExpireInvitations,
    Delete {
        by: By,
    },
}

impl OrganizationCommand {
    /// The same without the mail that it asks for along the way.
    pub fn ask_for_no_mail(&mut self) {
        match self {
            OrganizationCommand::Invite { invitation, .. } => invitation.notice.mail = None,
            OrganizationCommand::RenewInvitation { notice, .. } => notice.mail = None,
            _ => {}
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct NewSlug {
    pub claim: ClaimId,
    pub slug: SealedId,
}

#[derive(Clone, Debug)]
pub struct NewInvitation {
    pub invitation: InvitationId,
    pub person: PersonId,
    pub address: SealedId,
    pub invitee: Option<UserId>,
    pub role: Role,
    pub notice: InvitationNotice,
    pub expires_at: Timestamp,
}

/// The mail that tells of an invitation, and its language.
#[derive(Clone, Copy, Debug)]
pub struct InvitationNotice {
    /// None when the address has had its share of mails.
    pub mail: Option<MailId>,
    pub locale: Locale,
}
