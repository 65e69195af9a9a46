//! The organization that a session works in.

use chrysalis_domain::user::{UserCommand, UserRefusal};
use chrysalis_projections::members::MemberRow;

use super::{Asker, OrganizationView, Refusal, Which, allows};
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
            Some(which) => self.chosen(&Asker::User(presented), which).await?.map(|meant| meant.id),
            None => None,
        };
        let user = presented.row.user.user;
        let command = UserCommand::ActivateOrganization { session: presented.row.session, organization: chosen };
        self.execute(self.ask(caller, presented.actor(), user, command)).await.map_err(|error| match error {
            ExecuteError::Refused(UserRefusal::NotMember) => Refusal::NotMember.into(),
            error => AppError::from(error),
        })?;
        match chosen {
            Some(organization) => Ok(Some(self.organization(organization).await?)),
            None => Ok(None),
        }
    }

    /// The caller as a member of the organization that the session works in, or of another.
    pub async fn active_member(&self, presented: &Presented, which: Which) -> Result<MemberRow, AppError> {
        let meant = self.meant(&Asker::User(presented), which).await?;
        meant.own.ok_or_else(|| Refusal::NotMember.into())
    }

    /// Whether the asker may do all of that there.
    pub async fn may(
        &self,
        asker: &Asker<'_>,
        which: Which,
        permissions: &[(String, Vec<String>)],
    ) -> Result<bool, AppError> {
        Ok(allows(self.meant(asker, which).await?.role(), permissions))
    }
}
