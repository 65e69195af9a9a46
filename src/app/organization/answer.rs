//! An invitation is followed, or turned down: by whoever has proven the invited address, and by nobody else. Who knows the
//! link knows too little; so does who says they have the address.

use chrysalis_domain::id::{ClaimId, InvitationId, MemberId};
use chrysalis_domain::organization::{OrganizationCommand, Target};
use chrysalis_domain::user::{UserCommand, UserRefusal};
use chrysalis_domain::{EmailAddress, Timestamp};
use chrysalis_projections::invitations::{InvitationRow, Status};
use chrysalis_projections::members::MemberRow;

use super::{InvitationView, Refusal};
use crate::app::identify::Presented;
use crate::app::{App, AppError, Caller};
use crate::log::cqrs::{Concurrency, ExecuteError, Step};

/// An open invitation, and the user's hold on the address that it is for.
pub(super) struct Addressed {
    pub(super) row: InvitationRow,
    pub(super) claim: ClaimId,
}

impl App {
    /// The caller is a member, and works there from here on.
    pub async fn accept_invitation(
        &self,
        caller: &Caller,
        presented: &Presented,
        invitation: Option<InvitationId>,
    ) -> Result<(InvitationView, MemberRow), AppError> {
        let Addressed { row, claim } = self.addressed(presented, invitation, caller.at).await?;
        let view = self.view_invitation(&row, caller.at)?;
        let (user, organization) = (presented.row.user.user, row.organization);
        let member = MemberId::from_ulid(self.fresh(caller.at));
        let accept =
            OrganizationCommand::AcceptInvitation { invitation: row.invitation, target: Target { member, user } };
        let begin = UserCommand::BeginMembership { organization, member, founded: false, invited: Some(claim) };
        let session = presented.row.session;
        let activate = UserCommand::ActivateOrganization { session, organization: Some(organization) };
        let ask = self
            .asking(caller, presented.actor())
            .then(Step::Organization(organization, Concurrency::Exact, accept))
            .then(Step::User(user, Concurrency::Exact, begin))
            .then(Step::User(user, Concurrency::Exact, activate));
        match self.execute(ask).await {
            Ok(_) => Ok((InvitationView { status: Status::Accepted, ..view }, self.member(member).await?)),
            // The address went between the look and the deed.
            Err(ExecuteError::Refused(UserRefusal::ClaimNotHeld)) => Err(Refusal::NotRecipient.into()),
            Err(ExecuteError::Refused(UserRefusal::EmailNotVerified)) => Err(Refusal::NotProven.into()),
            Err(error) => Err(self.meanwhile(&row, error.into()).await),
        }
    }

    pub async fn reject_invitation(
        &self,
        caller: &Caller,
        presented: &Presented,
        invitation: Option<InvitationId>,
    ) -> Result<InvitationView, AppError> {
        let Addressed { row, .. } = self.addressed(presented, invitation, caller.at).await?;
        let view = self.view_invitation(&row, caller.at)?;
        let user = presented.row.user.user;
        let reject = OrganizationCommand::RejectInvitation { invitation: row.invitation, user };
        let step = Step::Organization(row.organization, Concurrency::Exact, reject);
        match self.execute(self.asking(caller, presented.actor()).then(step)).await {
            Ok(_) => Ok(InvitationView { status: Status::Rejected, ..view }),
            Err(error) => Err(self.meanwhile(&row, error.into()).await),
        }
    }

    /// An invitation that is open, and for the caller.
    pub(super) async fn addressed(
        &self,
        presented: &Presented,
        invitation: Option<InvitationId>,
        now: Timestamp,
    ) -> Result<Addressed, AppError> {
        let row = self.invitation_row(invitation).await?;
        match row.status_at(now) {
            Status::Pending => {}
            over => return Err(ended(over).into()),
        }
        let user = &presented.row.user;
        let said = self.view_user(user)?.email.and_then(|email| EmailAddress::parse(&email).ok());
        // Whoever has no address may have this one, and has yet to show it.
        let key = self.keyring.email_claim(&said.ok_or(Refusal::NotProven)?);
        if !key.hashes().any(|hash| row.hash.as_ref() == Some(hash)) {
            return Err(Refusal::NotRecipient.into());
        }
        let holder = self.holder(&key).await?.filter(|holder| holder.user == user.user);
        match holder {
            Some(holder) if holder.verified => Ok(Addressed { row, claim: holder.claim }),
            Some(_) => Err(Refusal::NotProven.into()),
            None => Err(Refusal::NotRecipient.into()),
        }
    }

    /// What became of an invitation that was open a moment ago, where that is why it is refused.
    pub(super) async fn meanwhile(&self, row: &InvitationRow, refused: AppError) -> AppError {
        match refused {
            AppError::Refused(refusal) if refusal == Refusal::InvitationNotFound.into() => {
                match self.invitation_row(Some(row.invitation)).await {
                    Ok(now) => ended(now.status).into(),
                    Err(error) => error,
                }
            }
            refused => refused,
        }
    }
}

/// What is said of an invitation that can't be answered any more.
pub(super) fn ended(status: Status) -> Refusal {
    match status {
        Status::Accepted => Refusal::InvitationAccepted,
        Status::Expired => Refusal::InvitationExpired,
        Status::Canceled => Refusal::InvitationRevoked,
        Status::Rejected | Status::Pending => Refusal::InvitationNotFound,
    }
}
