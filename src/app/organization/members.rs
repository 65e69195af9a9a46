//! Members are added by the app, get another role, are removed, or leave.

use chrysalis_domain::EmailAddress;
use chrysalis_domain::id::{MemberId, OrganizationId, UserId};
use chrysalis_domain::organization::{OrganizationCommand, Role, Target};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::MembershipEnd;
use chrysalis_projections::members::{self, MemberRow};
use chrysalis_projections::table;

use super::refusal::not_allowed;
use super::{Asker, OrganizationView, Refusal, Which, gone, target};
use crate::app::identify::Presented;
use crate::app::{self, App, AppError, Caller};
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
    /// By the app alone: guests too, and nobody is asked.
    pub async fn add_member(
        &self,
        caller: &Caller,
        asker: &Asker<'_>,
        which: Which,
        user: UserId,
        role: Role,
    ) -> Result<MemberRow, AppError> {
        let id = self.meant(asker, which).await?.id;
        self.user_row(user).await?.ok_or(app::Refusal::UserUnknown)?;
        let member = MemberId::from_ulid(self.fresh(caller.at));
        let add = OrganizationCommand::AddMember { target: Target { member, user }, role };
        let begin = UserCommand::BeginMembership { organization: id, member, founded: false, invited: None };
        let ask = self
            .asking(caller, asker.actor())
            .then(Step::Organization(id, Concurrency::Exact, add))
            .then(Step::User(user, Concurrency::Exact, begin));
        self.execute(ask).await.map_err(|error| gone(asker, error.into()))?;
        self.member(member).await
    }

    pub async fn change_member_role(
        &self,
        caller: &Caller,
        asker: &Asker<'_>,
        which: Which,
        whom: Whom,
        role: Role,
    ) -> Result<MemberRow, AppError> {
        let (id, row) = self.handled(asker, which, whom).await?;
        let change = OrganizationCommand::ChangeRole { by: asker.by(), target: target(&row), role };
        // Behind the step on the organization: see there.
        let confirm = UserCommand::ConfirmMembership { organization: id, member: row.member };
        let ask = self
            .asking(caller, asker.actor())
            .then(Step::Organization(id, Concurrency::Exact, change))
            .then(Step::User(row.user, Concurrency::Exact, confirm));
        self.execute(ask).await.map_err(not_allowed(Refusal::MayNotChangeMember))?;
        self.member(row.member).await
    }

    pub async fn remove_member(
        &self,
        caller: &Caller,
        asker: &Asker<'_>,
        which: Which,
        whom: Whom,
    ) -> Result<MemberRow, AppError> {
        let (id, row) = self.handled(asker, which, whom).await?;
        let remove = OrganizationCommand::RemoveMember { by: asker.by(), target: target(&row) };
        let reason = MembershipEnd::Removed;
        let end = UserCommand::EndMembership { organization: id, member: row.member, reason };
        let ask = self
            .asking(caller, asker.actor())
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
        let own = self.active_member(presented, which).await?;
        let view = self.organization(own.organization).await?;
        let reason = MembershipEnd::Left;
        let end = UserCommand::EndMembership { organization: own.organization, member: own.member, reason };
        let leave = OrganizationCommand::Leave { target: target(&own) };
        let ask = self
            .asking(caller, presented.actor())
            .then(Step::Organization(own.organization, Concurrency::Exact, leave))
            .then(Step::User(own.user, Concurrency::Exact, end));
        self.execute(ask).await?;
        Ok(view)
    }

    pub(super) async fn member(&self, member: MemberId) -> Result<MemberRow, AppError> {
        let row = ask_one(self.log.as_ref(), &members::BY_ID, &[table::id(member)]).await?;
        row.ok_or_else(|| Refusal::MemberNotFound.into())
    }

    /// The organization and the member that the asker means.
    async fn handled(
        &self,
        asker: &Asker<'_>,
        which: Which,
        whom: Whom,
    ) -> Result<(OrganizationId, MemberRow), AppError> {
        let id = self.meant(asker, which).await?.id;
        let row = match whom {
            Whom::Member(member) => ask_one(self.log.as_ref(), &members::BY_ID, &[table::id(member)]).await?,
            Whom::User(user) => self.membership(user, id).await?,
            Whom::Email(email) => match self.holder(&self.keyring.email_claim(&email)).await? {
                Some(holder) => self.membership(holder.user, id).await?,
                None => None,
            },
            Whom::Nobody => None,
        };
        let row = row.filter(|row| row.organization == id).ok_or(Refusal::MemberNotFound)?;
        Ok((id, row))
    }
}
