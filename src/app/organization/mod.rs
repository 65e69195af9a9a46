//! Organizations: who makes, leads and leaves them, and who is invited. One use case a file.

mod active;
mod answer;
mod create;
mod invitation;
mod invite;
mod look;
mod members;
mod pages;
mod refusal;
mod update;

use chrysalis_domain::id::{OrganizationId, UserId};
use chrysalis_domain::organization::{By, Role, Slug, Target};
use chrysalis_domain::{Permission, Timestamp};
use chrysalis_projections::members::{self as memberships, MemberRow};
use chrysalis_projections::organizations::{self, OrganizationRow};
use chrysalis_projections::table::{self, Sealed};
use chrysalis_projections::{Value, claims};
use serde_json::value::RawValue;

use super::authority::Authority;
use super::identify::Presented;
use super::{App, AppError};
use crate::keys::{PersonSealer, SealKind};
use crate::log::cqrs::ExecuteError;
use crate::log::{Actor, AppendError, LogFault, Refused, ask_one};

pub use create::NewOrganization;
pub use invitation::{InvitationView, Invited};
pub use invite::NewInvitation;
pub use look::{Full, MemberUser};
pub use members::Whom;
pub use pages::{Page, Pages};
pub use refusal::Refusal;
pub use update::OrganizationChanges;

/// An organization, readable.
#[derive(Clone, Debug)]
pub struct OrganizationView {
    pub id: OrganizationId,
    pub name: String,
    pub slug: String,
    pub logo: Option<String>,
    /// A JSON object.
    pub metadata: Option<Box<RawValue>>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// In whose name something is asked.
#[derive(Clone, Debug)]
pub enum Asker<'a> {
    /// A user's own, in a session of theirs: as far as their role goes.
    User(&'a Presented),
    /// The app's, by a key of the API: as far as the key goes, which has this permission.
    App(Authority, Permission),
}

impl Asker<'_> {
    fn by(&self) -> By {
        match self {
            Asker::User(presented) => By::Member(presented.row.user.user),
            Asker::App(..) => By::App,
        }
    }

    fn actor(&self) -> Actor {
        match self {
            Asker::User(presented) => presented.actor(),
            Asker::App(authority, _) => authority.actor(),
        }
    }

    fn active(&self) -> Option<OrganizationId> {
        match self {
            Asker::User(presented) => presented.row.active_organization,
            Asker::App(..) => None,
        }
    }

    /// A key that is bound to one organization knows of no other, and makes none.
    fn reaches(&self, organization: Option<OrganizationId>) -> Result<(), AppError> {
        match self {
            Asker::App(authority, permission) if !authority.reaches(organization) => {
                Err(super::Refusal::Lacking(*permission).into())
            }
            Asker::App(..) | Asker::User(_) => Ok(()),
        }
    }
}

/// Which organization is meant: by id, by slug, or the one that the session works in.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// The inner `None`: an id that no organization can have.
    pub id: Option<Option<OrganizationId>>,
    pub slug: Option<Slug>,
}

impl From<OrganizationId> for Which {
    fn from(id: OrganizationId) -> Self {
        Self { id: Some(Some(id)), slug: None }
    }
}

/// The organization that is meant, and what the asker is there.
struct Meant {
    id: OrganizationId,
    /// None where the app asks.
    own: Option<MemberRow>,
}

impl Meant {
    /// The app may what an owner may.
    fn role(&self) -> Role {
        self.own.map_or(Role::Owner, |own| own.role)
    }

    fn leads(&self) -> bool {
        self.role() >= Role::Admin
    }
}

impl App {
    /// The organization that is meant, where the asker may know of it; none where nothing is said and they work in none.
    async fn chosen(&self, asker: &Asker<'_>, which: Which) -> Result<Option<Meant>, AppError> {
        let found = match which {
            Which { slug: Some(slug), .. } => self.slug_holder(&slug).await?,
            Which { id: Some(id), .. } => id,
            Which { id: None, slug: None } => match asker.active() {
                Some(active) => Some(active),
                None => return Ok(None),
            },
        };
        let id = found.ok_or(Refusal::NotFound)?;
        asker.reaches(Some(id))?;
        let own = match asker {
            Asker::User(presented) => Some(self.own_membership(presented.row.user.user, id).await?),
            Asker::App(..) if self.organization_row(id).await?.is_none() => return Err(Refusal::NotFound.into()),
            Asker::App(..) => None,
        };
        Ok(Some(Meant { id, own }))
    }

    async fn meant(&self, asker: &Asker<'_>, which: Which) -> Result<Meant, AppError> {
        self.chosen(asker, which).await?.ok_or_else(|| Refusal::NoActiveOrganization.into())
    }

    /// The caller's own membership. A stranger is told so, as who makes an organization is told whether its slug is taken.
    async fn own_membership(&self, user: UserId, organization: OrganizationId) -> Result<MemberRow, AppError> {
        match self.membership(user, organization).await? {
            Some(row) => Ok(row),
            None if self.organization_row(organization).await?.is_none() => Err(Refusal::NotFound.into()),
            None => Err(Refusal::NotMember.into()),
        }
    }

    async fn membership(&self, user: UserId, organization: OrganizationId) -> Result<Option<MemberRow>, LogFault> {
        let parameters = [table::id(user), table::id(organization)];
        ask_one(self.log.as_ref(), &memberships::OF_USER_IN, &parameters).await
    }

    async fn organization_row(&self, id: OrganizationId) -> Result<Option<OrganizationRow>, LogFault> {
        ask_one(self.log.as_ref(), &organizations::BY_ID, &[table::id(id)]).await
    }

    async fn organization(&self, id: OrganizationId) -> Result<OrganizationView, AppError> {
        let row = self.organization_row(id).await?.ok_or(Refusal::NotFound)?;
        Ok(self.view_organization(&row)?)
    }

    fn view_organization(&self, row: &OrganizationRow) -> Result<OrganizationView, LogFault> {
        let sealer = self.organization_sealer(row)?;
        let read = |kind, sealed: &Option<Sealed>| sealer.shown(kind, sealed.as_ref()?);
        Ok(OrganizationView {
            id: row.organization,
            name: read(SealKind::Name, &row.name).unwrap_or_default(),
            slug: read(SealKind::Slug, &row.slug).unwrap_or_default(),
            logo: read(SealKind::Image, &row.logo),
            metadata: read(SealKind::Metadata, &row.metadata).and_then(|json| RawValue::from_string(json).ok()),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }

    fn organization_sealer(&self, row: &OrganizationRow) -> Result<PersonSealer, LogFault> {
        let opened = PersonSealer::open(&self.keyring, row.person, row.key.as_ref())?;
        opened.ok_or_else(|| LogFault::Damaged(format!("the key of {} is missing or does not open", row.person)))
    }

    /// Who has a slug.
    async fn slug_holder(&self, slug: &Slug) -> Result<Option<OrganizationId>, LogFault> {
        for hash in self.keyring.slug_claim(slug).hashes() {
            let found = ask_one(self.log.as_ref(), &claims::OF_SLUG, &[Value::Bytes(hash.clone())]).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

fn target(row: &MemberRow) -> Target {
    Target { member: row.member, user: row.user }
}

/// Whether a role allows everything that is asked about.
fn allows(role: Role, permissions: &[(String, Vec<String>)]) -> bool {
    let all = |(resource, actions): &(String, Vec<String>)| {
        !actions.is_empty() && actions.iter().all(|action| role.may(resource, action))
    };
    !permissions.is_empty() && permissions.iter().all(all)
}

/// A slug that somebody else has.
fn slug_taken(error: ExecuteError) -> AppError {
    match error {
        ExecuteError::Append(AppendError::Refused(Refused::ClaimHeld { .. })) => Refusal::SlugTaken.into(),
        error => error.into(),
    }
}

/// The user whom the app means went while the call was on its way.
fn gone(asker: &Asker<'_>, error: AppError) -> AppError {
    match (asker, error) {
        (Asker::App(..), AppError::Refused(super::Refusal::SessionNotLive)) => super::Refusal::UserUnknown.into(),
        (_, error) => error,
    }
}
