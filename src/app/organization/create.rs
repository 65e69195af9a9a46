//! A user makes an organization and owns it; guests too, a few.

use chrysalis_domain::id::{ClaimId, MemberId, OrganizationId, PersonId};
use chrysalis_domain::organization::command::NewSlug;
use chrysalis_domain::organization::{OrganizationCommand, Slug, Target};
use chrysalis_domain::user::UserCommand;
use chrysalis_projections::members::MemberRow;

use super::{OrganizationView, Refusal, slug_taken};
use crate::app::identify::Presented;
use crate::app::{self, App, AppError, Caller};
use crate::keys::{PersonSealer, SealKind};
use crate::log::cqrs::{Concurrency, Step};
use crate::log::{Claim, SealedRecord};

#[derive(Clone, Debug)]
pub struct NewOrganization {
    pub name: String,
    pub slug: Slug,
    pub logo: Option<String>,
    /// JSON.
    pub metadata: Option<String>,
    /// The session goes on working where it did.
    pub keep_active: bool,
}

impl App {
    pub async fn create_organization(
        &self,
        caller: &Caller,
        presented: &Presented,
        form: NewOrganization,
    ) -> Result<(OrganizationView, MemberRow), AppError> {
        if presented.is_guest() && !self.config.guests_create_organizations {
            return Err(app::Refusal::Anonymous.into());
        }
        let user = presented.row.user.user;
        let organization = OrganizationId::from_ulid(self.fresh(caller.at));
        let person = PersonId::from_ulid(self.fresh(caller.at));
        let (sealer, key) = PersonSealer::create(&self.keyring, person, self.entropy.as_ref())?;
        let seal = |kind, value: &str| sealer.seal(kind, value, self.entropy.as_ref(), caller.at);
        let name = seal(SealKind::Name, &form.name);
        let logo = form.logo.as_deref().map(|logo| seal(SealKind::Image, logo));
        let metadata = form.metadata.as_deref().map(|metadata| seal(SealKind::Metadata, metadata));
        let (slug, sealed, claim) = self.new_slug(caller, &sealer, &form.slug);
        let member = MemberId::from_ulid(self.fresh(caller.at));
        let id = |record: &Option<SealedRecord>| record.as_ref().map(|record| record.id);
        let create = OrganizationCommand::Create {
            organization,
            person,
            name: name.id,
            logo: id(&logo),
            metadata: id(&metadata),
            slug,
            founder: Some(Target { member, user }),
        };
        let begin = UserCommand::BeginMembership { organization, member, founded: true, invited: None };
        let mut ask = self
            .asking(caller, presented.actor())
            .then(Step::Organization(organization, Concurrency::New, create))
            .then(Step::User(user, Concurrency::Exact, begin));
        if !form.keep_active {
            let session = presented.row.session;
            let activate = UserCommand::ActivateOrganization { session, organization: Some(organization) };
            ask = ask.then(Step::User(user, Concurrency::Exact, activate));
        }
        ask.sealed = [Some(name), logo, metadata, Some(sealed)].into_iter().flatten().collect();
        (ask.person_keys, ask.claims) = (vec![key], vec![claim]);
        self.execute(ask).await.map_err(slug_taken)?;
        let row = self.organization_row(organization).await?.ok_or(Refusal::NotFound)?;
        Ok((self.view_organization(&row)?, self.own_membership(user, organization).await?))
    }

    pub(super) fn new_slug(
        &self,
        caller: &Caller,
        sealer: &PersonSealer,
        slug: &Slug,
    ) -> (NewSlug, SealedRecord, Claim) {
        let sealed = sealer.seal(SealKind::Slug, slug.as_str(), self.entropy.as_ref(), caller.at);
        let claim = ClaimId::from_ulid(self.fresh(caller.at));
        (NewSlug { claim, slug: sealed.id }, sealed, Claim { claim, key: self.keyring.slug_claim(slug) })
    }

    pub async fn slug_is_free(&self, slug: &Slug) -> Result<(), AppError> {
        if self.slug_holder(slug).await?.is_some() { Err(Refusal::SlugTaken.into()) } else { Ok(()) }
    }
}
