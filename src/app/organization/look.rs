//! Organizations and their members, looked at by a member or by the app.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{MemberId, OrganizationId};
use chrysalis_domain::organization::Role;
use chrysalis_projections::members::{self, MemberRow, MemberUserRow};
use chrysalis_projections::{organizations, table};

use super::{Asker, InvitationView, OrganizationView, Page, Pages, Which};
use crate::app::identify::Presented;
use crate::app::view::UserView;
use crate::app::{App, AppError};
use crate::log::{ask, ask_one};

#[derive(Clone, Debug)]
pub struct MemberUser {
    pub member: MemberRow,
    pub user: UserView,
}

/// An organization with the first of its members, and for those who lead it the newest invitations.
#[derive(Clone, Debug)]
pub struct Full {
    pub organization: OrganizationView,
    pub members: Vec<MemberUser>,
    pub invitations: Vec<InvitationView>,
}

impl App {
    /// Those that a user is a member of.
    pub async fn own_organizations(&self, presented: &Presented) -> Result<Vec<OrganizationView>, AppError> {
        let of = [table::id(presented.row.user.user)];
        let rows = ask(self.log.as_ref(), &organizations::OF_USER, &of).await?;
        Ok(rows.iter().map(|row| self.view_organization(row)).collect::<Result<_, _>>()?)
    }

    /// All there are, for the app.
    pub async fn all_organizations(
        &self,
        asker: &Asker<'_>,
        pages: Pages<OrganizationId>,
    ) -> Result<Page<OrganizationView>, AppError> {
        asker.reaches(None)?;
        let stretch = pages.stretch(OrganizationId::from_ulid);
        let question = if stretch.above { &organizations::ABOVE } else { &organizations::BELOW };
        let found = ask(self.log.as_ref(), question, &[stretch.place, stretch.rows]).await?;
        Ok(pages.page(found, |row| row.organization).try_map(|row| self.view_organization(&row))?)
    }

    /// None where the session works in none and none is named.
    pub async fn full_organization(
        &self,
        asker: &Asker<'_>,
        which: Which,
        limit: u32,
        now: Timestamp,
    ) -> Result<Option<Full>, AppError> {
        let Some(meant) = self.chosen(asker, which).await? else { return Ok(None) };
        let organization = self.organization(meant.id).await?;
        let parameters = [table::id(meant.id), "".into(), i64::from(limit).into(), 0.into()];
        let rows = ask(self.log.as_ref(), &members::OLDEST, &parameters).await?;
        let members = rows.into_iter().map(|row| self.view_member(row)).collect::<Result<_, _>>()?;
        let invitations = match meant.leads() {
            true => self.invitations_of(&meant, None, Pages::newest(limit), now).await?.rows,
            false => Vec::new(),
        };
        Ok(Some(Full { organization, members, invitations }))
    }

    /// Members, the oldest membership first, and how many there are.
    pub async fn members(
        &self,
        asker: &Asker<'_>,
        which: Which,
        role: Option<Role>,
        limit: u32,
        offset: u32,
    ) -> Result<(Vec<MemberUser>, i64), AppError> {
        let id = self.meant(asker, which).await?.id;
        let role = role.map_or("", Role::name);
        let parameters = [table::id(id), role.into(), i64::from(limit).into(), i64::from(offset).into()];
        let rows = ask(self.log.as_ref(), &members::OLDEST, &parameters).await?;
        let total = ask_one(self.log.as_ref(), &members::COUNT, &parameters[..2]).await?.unwrap_or(0);
        Ok((rows.into_iter().map(|row| self.view_member(row)).collect::<Result<_, _>>()?, total))
    }

    /// The same a page at a time, in the order of the memberships.
    pub async fn members_by_the_page(
        &self,
        asker: &Asker<'_>,
        which: Which,
        role: Option<Role>,
        pages: Pages<MemberId>,
    ) -> Result<Page<MemberUser>, AppError> {
        let id = self.meant(asker, which).await?.id;
        let stretch = pages.stretch(MemberId::from_ulid);
        let question = if stretch.above { &members::ABOVE } else { &members::BELOW };
        let parameters = [table::id(id), role.map_or("", Role::name).into(), stretch.place, stretch.rows];
        let found = ask(self.log.as_ref(), question, &parameters).await?;
        pages.page(found, |row| row.member.member).try_map(|row| self.view_member(row))
    }

    fn view_member(&self, row: MemberUserRow) -> Result<MemberUser, AppError> {
        Ok(MemberUser { member: row.member, user: self.view_user(&row.user)? })
    }
}
