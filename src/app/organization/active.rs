//! The organization that a session works in.

use chrysalis_domain::id::OrganizationId;
use chrysalis_domain::user::{UserCommand, UserRefusal};
use chrysalis_projections::members::MemberRow;

use super::{OrganizationView, Refusal, Which};
use crate::app::identify::Presented;
use crate::app::{App, AppError, Caller};
use crate::log::cqrs::ExecuteError;

impl App {
    /// Chooses one, or none. Said nothing, the one that is chosen stays.
    pub async fn set_active(
        &self,
        caller: &Caller,
        presented: &Presented,
        which: Option<Which>,
    ) -> Result<Option<OrganizationView>, AppError> {
        let chosen = match which {
            Some(which) => self.which(which, presented.row.active_organization).await?,
            None => None,
        };
        let user = presented.row.user.user;
        if let Some(organization) = chosen {
            self.own_membership(user, organization).await?;
        }
        let command = UserCommand::ActivateOrganization { session: presented.row.session, organization: chosen };
        self.execute(self.ask(caller, presented.actor(), user, command)).await.map_err(|error| match error {
            ExecuteError::Refused(UserRefusal::NotMember) => Refusal::NotMember.into(),
            error => AppError::from(error),
        })?;
        let Some(organization) = chosen else { return Ok(None) };
        let row = self.organization_row(organization).await?.ok_or(Refusal::NotFound)?;
        Ok(Some(self.view_organization(&row)?))
    }

    /// The caller as a member of the organization that the session works in, or of another.
    pub async fn active_member(&self, presented: &Presented, which: Which) -> Result<MemberRow, AppError> {
        let id = self.meant(presented, which).await?;
        self.own_membership(presented.row.user.user, id).await
    }

    pub(super) async fn meant(&self, presented: &Presented, which: Which) -> Result<OrganizationId, AppError> {
        let meant = self.which(which, presented.row.active_organization).await?;
        meant.ok_or_else(|| Refusal::NoActiveOrganization.into())
    }
}
