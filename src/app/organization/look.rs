//! Organizations and their members, looked at by a member.

use chrysalis_domain::organization::Role;
use chrysalis_projections::members::{self, MemberRow};
use chrysalis_projections::{organizations, table};

use super::{OrganizationView, Refusal, Which};
use crate::app::identify::Presented;
use crate::app::view::UserView;
use crate::app::{App, AppError};
use crate::log::{ask, ask_one};

#[derive(Clone, Debug)]
pub struct MemberUser {
    pub member: MemberRow,
    pub user: UserView,
}

/// An organization with the first of its members.
#[derive(Clone, Debug)]
pub struct Full {
    pub organization: OrganizationView,
    pub members: Vec<MemberUser>,
}

impl App {
    pub async fn list_organizations(&self, presented: &Presented) -> Result<Vec<OrganizationView>, AppError> {
        let of = [table::id(presented.row.user.user)];
        let rows = ask(self.log.as_ref(), &organizations::OF_USER, &of).await?;
        Ok(rows.iter().map(|row| self.view_organization(row)).collect::<Result<_, _>>()?)
    }

    /// None where the session works in none and none is named.
    pub async fn full_organization(
        &self,
        presented: &Presented,
        which: Which,
        limit: u32,
    ) -> Result<Option<Full>, AppError> {
        let Some(id) = self.which(which, presented.row.active_organization).await? else { return Ok(None) };
        self.own_membership(presented.row.user.user, id).await?;
        let row = self.organization_row(id).await?.ok_or(Refusal::NotFound)?;
        let (members, _) = self.members(presented, Which { id: Some(Some(id)), slug: None }, None, limit, 0).await?;
        Ok(Some(Full { organization: self.view_organization(&row)?, members }))
    }

    /// Members, the oldest membership first, and how many there are.
    pub async fn members(
        &self,
        presented: &Presented,
        which: Which,
        role: Option<Role>,
        limit: u32,
        offset: u32,
    ) -> Result<(Vec<MemberUser>, i64), AppError> {
        let id = self.meant(presented, which).await?;
        self.own_membership(presented.row.user.user, id).await?;
        let role = role.map_or("", Role::name);
        let parameters = [table::id(id), role.into(), i64::from(limit).into(), i64::from(offset).into()];
        let rows = ask(self.log.as_ref(), &members::OLDEST, &parameters).await?;
        let total = ask_one(self.log.as_ref(), &members::COUNT, &parameters[..2]).await?.unwrap_or(0);
        let view = |row: members::MemberUserRow| {
            Ok::<_, AppError>(MemberUser { member: row.member, user: self.view_user(&row.user)? })
        };
        Ok((rows.into_iter().map(view).collect::<Result<_, _>>()?, total))
    }
}
