//! Invitations, looked at: by those who lead the organization, by the app, and by whoever was invited.

use chrysalis_domain::id::{InvitationId, OrganizationId, UserId};
use chrysalis_domain::organization::Role;
use chrysalis_domain::{EmailAddress, Timestamp};
use chrysalis_projections::invitations::{self, InvitationRow, Status};
use chrysalis_projections::table;
use futures_util::future::try_join_all;

use super::answer::Addressed;
use super::{Asker, Meant, OrganizationView, Page, Pages, Refusal, Which};
use crate::app::identify::Presented;
use crate::app::{App, AppError};
use crate::keys::{PersonSealer, SealKind};
use crate::log::{LogFault, ask, ask_one};

/// Invitations that one address is shown.
const SHOWN: i64 = 100;

/// An invitation, readable.
#[derive(Clone, Debug)]
pub struct InvitationView {
    pub id: InvitationId,
    pub organization: OrganizationId,
    /// None of one that ended, unless a user followed it: then what they are called now.
    pub email: Option<String>,
    pub role: Role,
    pub status: Status,
    pub inviter: Option<UserId>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// An invitation as whoever was invited sees it.
#[derive(Clone, Debug)]
pub struct Invited {
    pub invitation: InvitationView,
    pub organization: OrganizationView,
}

impl App {
    /// Those of an organization, answered ones too.
    pub async fn invitations(
        &self,
        asker: &Asker<'_>,
        which: Which,
        status: Option<Status>,
        pages: Pages<InvitationId>,
        now: Timestamp,
    ) -> Result<Page<InvitationView>, AppError> {
        let meant = self.meant(asker, which).await?;
        if !meant.leads() {
            return Err(Refusal::MayNotListInvitations.into());
        }
        self.invitations_of(&meant, status, pages, now).await
    }

    /// To whoever leads there. Of invitations to own it only owners know.
    pub(super) async fn invitations_of(
        &self,
        meant: &Meant,
        status: Option<Status>,
        pages: Pages<InvitationId>,
        now: Timestamp,
    ) -> Result<Page<InvitationView>, AppError> {
        let stretch = pages.stretch(InvitationId::from_ulid);
        let question = if stretch.above { &invitations::ABOVE } else { &invitations::BELOW };
        let status = status.map_or("", Status::name).into();
        let parameters = [table::id(meant.id), status, now.into(), stretch.place, stretch.rows];
        let found = ask(self.log.as_ref(), question, &parameters).await?;
        let mut page = pages.page(found, |row| row.invitation);
        page.rows.retain(|row| meant.role() >= row.role);
        let Page { rows, before, after } = page;
        let views = rows.into_iter().map(async |row| {
            let mut view = self.view_invitation(&row, now)?;
            if let Some(user) = row.user.filter(|_| view.status == Status::Accepted) {
                view.email = self.email_of(user).await?;
            }
            Ok::<_, AppError>(view)
        });
        Ok(Page { rows: try_join_all(views).await?, before, after })
    }

    /// Open ones for the address that the user has proven.
    pub async fn own_invitations(&self, presented: &Presented, now: Timestamp) -> Result<Vec<Invited>, AppError> {
        let own = self.proven_address(presented)?.ok_or(Refusal::NotProvenToLook)?;
        let mut invited = Vec::new();
        for hash in self.keyring.email_claim(&own).hashes() {
            let parameters = [hash.clone().into(), now.into(), SHOWN.into()];
            for row in ask(self.log.as_ref(), &invitations::OF_ADDRESS, &parameters).await? {
                let invitation = self.view_invitation(&row.invitation, now)?;
                let organization = self.view_organization(&row.organization)?;
                invited.push(Invited { invitation, organization });
            }
        }
        Ok(invited)
    }

    /// One that can be answered, to whoever may answer it; and the address of who invited.
    pub async fn invitation(
        &self,
        presented: &Presented,
        invitation: Option<InvitationId>,
        now: Timestamp,
    ) -> Result<(Invited, Option<String>), AppError> {
        let unproven = |error| match error {
            AppError::Refused(refusal) if refusal == Refusal::NotProven.into() => Refusal::NotProvenToLook.into(),
            error => error,
        };
        let Addressed { row, .. } = self.addressed(presented, invitation, now).await.map_err(unproven)?;
        let inviter = match row.inviter {
            Some(inviter) => self.email_of(inviter).await?,
            None => None,
        };
        let organization = self.organization(row.organization).await?;
        Ok((Invited { invitation: self.view_invitation(&row, now)?, organization }, inviter))
    }

    /// The user's address, if they have proven it.
    pub(super) fn proven_address(&self, presented: &Presented) -> Result<Option<EmailAddress>, AppError> {
        let user = self.view_user(&presented.row.user)?;
        let email = user.email.filter(|_| user.email_verified);
        Ok(email.and_then(|email| EmailAddress::parse(&email).ok()))
    }

    async fn email_of(&self, user: UserId) -> Result<Option<String>, AppError> {
        let row = self.user_row(user).await?;
        Ok(row.map(|row| self.view_user(&row)).transpose()?.and_then(|user| user.email))
    }

    pub(super) async fn invitation_row(&self, invitation: Option<InvitationId>) -> Result<InvitationRow, AppError> {
        let row = match invitation {
            Some(id) => ask_one(self.log.as_ref(), &invitations::BY_ID, &[table::id(id)]).await?,
            None => None,
        };
        row.ok_or_else(|| Refusal::InvitationNotFound.into())
    }

    pub(super) fn view_invitation(&self, row: &InvitationRow, now: Timestamp) -> Result<InvitationView, LogFault> {
        let sealer = match row.person {
            Some(person) => PersonSealer::open(&self.keyring, person, row.key.as_ref())?,
            None => None,
        };
        let email = match sealer.zip(row.address.as_ref()) {
            Some((sealer, address)) => sealer.read(SealKind::Email, address)?.value(),
            None => None,
        };
        Ok(InvitationView {
            id: row.invitation,
            organization: row.organization,
            email,
            role: row.role,
            status: row.status_at(now),
            inviter: row.inviter,
            created_at: row.created_at,
            expires_at: row.expires_at,
        })
    }
}
