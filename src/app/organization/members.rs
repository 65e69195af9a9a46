//! Members get another role, are removed, or leave.

use chrysalis_domain::EmailAddress;
use chrysalis_domain::id::{MemberId, OrganizationId, UserId};
use chrysalis_domain::organization::{By, OrganizationCommand, Role};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::MembershipEnd;
use chrysalis_projections::members::{self, MemberRow};
use chrysalis_projections::table;

use super::refusal::not_allowed;
use super::{OrganizationView, Refusal, Which, target};
use crate::app::identify::Presented;
use crate::app::{App, AppError, Caller};
use crate::log::ask_one;
use crate::log::cqrs::{Concurrency, Step};

/// Which member is meant.
#[derive(Clone, Debug)]
pub enum Whom {
    Member(MemberId),
    User(UserId),
    Email(EmailAddress),
    /// A text that names nobody.
    Nobody,
}

impl App {
    pub async fn change_member_role(
        &self,
        caller: &Caller,
        presented: &Presented,
        which: Which,
        whom: Whom,
        role: Role,
    ) -> Result<MemberRow, AppError> {
        let (id, row) = self.handled(presented, which, whom).await?;
        let by = By::Member(presented.row.user.user);
        let change = OrganizationCommand::ChangeRole { by, target: target(&row), role };
        // Behind the step on the organization: see there.
        let confirm = UserCommand::ConfirmMembership { organization: id, member: row.member };
        let ask = self
            .asking(caller, presented.actor())
            .then(Step::Organization(id, Concurrency::Exact, change))
            .then(Step::User(row.user, Concurrency::Exact, confirm));
        self.execute(ask).await.map_err(not_allowed(Refusal::MayNotChangeMember))?;
        let changed = ask_one(self.log.as_ref(), &members::BY_ID, &[table::id(row.member)]).await?;
        changed.ok_or_else(|| Refusal::MemberNotFound.into())
    }

    pub async fn remove_member(
        &self,
        caller: &Caller,
        presented: &Presented,
        which: Which,
        whom: Whom,
    ) -> Result<MemberRow, AppError> {
        let (id, row) = self.handled(presented, which, whom).await?;
        let remove =
            OrganizationCommand::RemoveMember { by: By::Member(presented.row.user.user), target: target(&row) };
        let reason = MembershipEnd::Removed;
        let end = UserCommand::EndMembership { organization: id, member: row.member, reason };
        let ask = self
            .asking(caller, presented.actor())
            .then(Step::Organization(id, Concurrency::Exact, remove))
            .then(Step::User(row.user, Concurrency::Exact, end));
        self.execute(ask).await.map_err(not_allowed(Refusal::MayNotRemoveMember))?;
        Ok(row)
    }

    pub async fn leave_organization(
        &self,
        caller: &Caller,
        presented: &Presented,
        which: Which,
    ) -> Result<OrganizationView, AppError> {
        let id = self.meant(presented, which).await?;
        let own = self.own_membership(presented.row.user.user, id).await?;
        let row = self.organization_row(id).await?.ok_or(Refusal::NotFound)?;
        let view = self.view_organization(&row)?;
        let end = UserCommand::EndMembership { organization: id, member: own.member, reason: MembershipEnd::Left };
        let leave = OrganizationCommand::Leave { target: target(&own) };
        let ask = self
            .asking(caller, presented.actor())
            .then(Step::Organization(id, Concurrency::Exact, leave))
            .then(Step::User(own.user, Concurrency::Exact, end));
        self.execute(ask).await?;
        Ok(view)
    }

    /// The organization and the member that the caller, a member too, means.
    async fn handled(
        &self,
        presented: &Presented,
        which: Which,
        whom: Whom,
    ) -> Result<(OrganizationId, MemberRow), AppError> {
        let id = self.meant(presented, which).await?;
        self.own_membership(presented.row.user.user, id).await?;
        let row = match whom {
            Whom::Member(member) => ask_one(self.log.as_ref(), &members::BY_ID, &[table::id(member)]).await?,
            Whom::User(user) => self.member_of(user, id).await?,
            Whom::Email(email) => match self.holder(&self.keyring.email_claim(&email)).await? {
                Some(holder) => self.member_of(holder.user, id).await?,
                None => None,
            },
            Whom::Nobody => None,
        };
        let row = row.filter(|row| row.organization == id).ok_or(Refusal::MemberNotFound)?;
        Ok((id, row))
    }

    async fn member_of(&self, user: UserId, id: OrganizationId) -> Result<Option<MemberRow>, AppError> {
        Ok(ask_one(self.log.as_ref(), &members::OF_USER_IN, &[table::id(user), table::id(id)]).await?)
    }
}
