//! An organization gets another name, slug, logo or metadata, or goes.

use chrysalis_domain::organization::{OrganizationCommand, Slug};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::MembershipEnd;
use chrysalis_domain::value::Change;

use super::refusal::not_allowed;
use super::{Asker, OrganizationView, Refusal, Which, slug_taken};
use crate::app::{App, AppError, Caller};
use crate::keys::SealKind;
use crate::log::cqrs::{Concurrency, ExecuteError, Step};

/// Which fields change. The outer `None`: left as it is; the inner: cleared.
#[derive(Clone, Debug, Default)]
pub struct OrganizationChanges {
    pub name: Option<String>,
    pub slug: Option<Slug>,
    pub logo: Option<Option<String>>,
    /// JSON.
    pub metadata: Option<Option<String>>,
}

impl App {
    pub async fn update_organization(
        &self,
        caller: &Caller,
        asker: &Asker<'_>,
        which: Which,
        form: OrganizationChanges,
    ) -> Result<OrganizationView, AppError> {
        let id = self.meant(asker, which).await?.id;
        let row = self.organization_row(id).await?.ok_or(Refusal::NotFound)?;
        let (sealer, current) = (self.organization_sealer(&row)?, self.view_organization(&row)?);
        let (mut sealed, mut claims) = (Vec::new(), Vec::new());
        let mut set = |kind, value: &str| {
            let record = sealer.seal(kind, value, self.entropy.as_ref(), caller.at);
            let id = record.id;
            sealed.push(record);
            id
        };
        let name = form.name.filter(|name| *name != current.name).map(|name| set(SealKind::Name, &name));
        let mut change = |kind, field: Option<Option<String>>| match field {
            None => Change::Kept,
            Some(None) => Change::Cleared,
            Some(Some(value)) => Change::Set(set(kind, &value)),
        };
        let logo = change(SealKind::Image, form.logo.filter(|logo| *logo != current.logo));
        let metadata = change(SealKind::Metadata, form.metadata);
        let slug = form.slug.filter(|slug| slug.as_str() != current.slug).map(|slug| {
            let (slug, record, claim) = self.new_slug(caller, &sealer, &slug);
            sealed.push(record);
            claims.push(claim);
            slug
        });
        let update = OrganizationCommand::Update { by: asker.by(), name, logo, metadata, slug };
        let mut ask = self.asking(caller, asker.actor()).then(Step::Organization(id, Concurrency::Exact, update));
        (ask.sealed, ask.claims) = (sealed, claims);
        self.execute(ask).await.map_err(|error| match error {
            error @ ExecuteError::Disallowed(_) => not_allowed(Refusal::MayNotUpdate)(error),
            error => slug_taken(error),
        })?;
        self.organization(id).await
    }

    /// It goes with all memberships and invitations; the sessions that worked in it work in none.
    pub async fn delete_organization(
        &self,
        caller: &Caller,
        asker: &Asker<'_>,
        which: Which,
    ) -> Result<OrganizationView, AppError> {
        let meant = self.meant(asker, which).await?;
        let view = self.organization(meant.id).await?;
        let delete = OrganizationCommand::Delete { by: asker.by() };
        let mut ask = self.asking(caller, asker.actor()).then(Step::Organization(meant.id, Concurrency::Exact, delete));
        if let Some(own) = meant.own {
            let reason = MembershipEnd::OrganizationDeleted;
            let end = UserCommand::EndMembership { organization: meant.id, member: own.member, reason };
            ask = ask.then(Step::User(own.user, Concurrency::Exact, end));
        }
        self.execute(ask).await.map_err(not_allowed(Refusal::MayNotDelete))?;
        Ok(view)
    }
}
