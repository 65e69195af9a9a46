//! Organizations: who makes, leads and leaves them. One use case a file.

mod active;
mod create;
mod look;
mod members;
mod refusal;
mod update;

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{OrganizationId, UserId};
use chrysalis_domain::organization::{Role, Slug, Target};
use chrysalis_projections::members::{self as memberships, MemberRow};
use chrysalis_projections::organizations::{self, OrganizationRow};
use chrysalis_projections::table::{self, Sealed};
use chrysalis_projections::{Value, claims};
use serde_json::value::RawValue;

use super::{App, AppError};
use crate::keys::{PersonSealer, SealKind};
use crate::log::cqrs::ExecuteError;
use crate::log::{AppendError, LogFault, Refused, ask_one};

pub use create::NewOrganization;
pub use look::{Full, MemberUser};
pub use members::Whom;
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

/// Which organization is meant: by id, by slug, or the one that the session works in.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// The inner `None`: an id that no organization can have.
    pub id: Option<Option<OrganizationId>>,
    pub slug: Option<Slug>,
}

impl App {
    fn view_organization(&self, row: &OrganizationRow) -> Result<OrganizationView, LogFault> {
        let sealer = self.organization_sealer(row)?;
        let read = |kind, sealed: &Option<Sealed>| match sealed {
            Some(sealed) => Ok::<_, LogFault>(sealer.read(kind, sealed)?.value()),
            None => Ok(None),
        };
        Ok(OrganizationView {
            id: row.organization,
            name: read(SealKind::Name, &row.name)?.unwrap_or_default(),
            slug: read(SealKind::Slug, &row.slug)?.unwrap_or_default(),
            logo: read(SealKind::Image, &row.logo)?,
            metadata: read(SealKind::Metadata, &row.metadata)?.and_then(|json| RawValue::from_string(json).ok()),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }

    fn organization_sealer(&self, row: &OrganizationRow) -> Result<PersonSealer, LogFault> {
        let opened = row.key.as_ref().and_then(|key| PersonSealer::open(&self.keyring, row.person, key));
        opened.ok_or_else(|| LogFault::Damaged(format!("the key of {} is missing or does not open", row.person)))
    }

    async fn organization_row(&self, id: OrganizationId) -> Result<Option<OrganizationRow>, LogFault> {
        ask_one(self.log.as_ref(), &organizations::BY_ID, &[table::id(id)]).await
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

    /// What is meant; none where nothing is said and the session works in none.
    async fn which(&self, which: Which, active: Option<OrganizationId>) -> Result<Option<OrganizationId>, AppError> {
        let found = match which {
            Which { slug: Some(slug), .. } => self.slug_holder(&slug).await?,
            Which { id: Some(id), .. } => id,
            Which { id: None, slug: None } => return Ok(active),
        };
        found.map(Some).ok_or_else(|| Refusal::NotFound.into())
    }

    /// The caller's own membership. A stranger is told so, as who makes an organization is told whether its slug is taken.
    async fn own_membership(&self, user: UserId, organization: OrganizationId) -> Result<MemberRow, AppError> {
        let parameters = [table::id(user), table::id(organization)];
        match ask_one(self.log.as_ref(), &memberships::OF_USER_IN, &parameters).await? {
            Some(row) => Ok(row),
            None if self.organization_row(organization).await?.is_none() => Err(Refusal::NotFound.into()),
            None => Err(Refusal::NotMember.into()),
        }
    }
}

fn target(row: &MemberRow) -> Target {
    Target { member: row.member, user: row.user }
}

/// Whether a role allows everything that is asked about.
pub fn allows(role: Role, permissions: &[(String, Vec<String>)]) -> bool {
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
