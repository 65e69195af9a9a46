//! A user makes an organization and owns it; guests too, a few. The app makes one for a user, or for people who are yet to
//! come.

use chrysalis_domain::id::{ClaimId, MemberId, OrganizationId, PersonId, UserId};
use chrysalis_domain::organization::command::NewSlug;
use chrysalis_domain::organization::{OrganizationCommand, Slug, Target};
use chrysalis_domain::user::UserCommand;
use chrysalis_projections::members::MemberRow;

use super::{Asker, OrganizationView, Refusal, gone, slug_taken};
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
    /// Whom the app makes it for.
    pub owner: Option<UserId>,
}

impl App {
    /// The organization, and its owner if there is one.
    pub async fn create_organization(
        &self,
        caller: &Caller,
        asker: &Asker<'_>,
        form: NewOrganization,
    ) -> Result<(OrganizationView, Option<MemberRow>), AppError> {
        let owner = self.founder(asker, form.owner).await?;
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
            founder: owner.map(|user| Target { member, user }),
        };
        let mut ask =
            self.asking(caller, asker.actor()).then(Step::Organization(organization, Concurrency::New, create));
        if let Some(user) = owner {
            let begin = UserCommand::BeginMembership { organization, member, founded: true, invited: None };
            ask = ask.then(Step::User(user, Concurrency::Exact, begin));
        }
        if let Asker::User(presented) = asker
            && !form.keep_active
        {
            let session = presented.row.session;
            let activate = UserCommand::ActivateOrganization { session, organization: Some(organization) };
            ask = ask.then(Step::User(presented.row.user.user, Concurrency::Exact, activate));
        }
        ask.sealed = [Some(name), logo, metadata, Some(sealed)].into_iter().flatten().collect();
        (ask.person_keys, ask.claims) = (vec![key], vec![claim]);
        self.execute(ask).await.map_err(|error| gone(asker, slug_taken(error)))?;
        let member = match owner {
            Some(user) => self.membership(user, organization).await?,
            None => None,
        };
        Ok((self.organization(organization).await?, member))
    }

    async fn founder(&self, asker: &Asker<'_>, owner: Option<UserId>) -> Result<Option<UserId>, AppError> {
        asker.reaches(None)?;
        match (asker, owner) {
            (Asker::User(presented), _) if presented.is_guest() && !self.config.guests_create_organizations => {
                Err(app::Refusal::Anonymous.into())
            }
            (Asker::User(presented), _) => Ok(Some(presented.row.user.user)),
            (Asker::App(..), Some(user)) if self.user_row(user).await?.is_none() => {
                Err(app::Refusal::UserUnknown.into())
            }
            (Asker::App(..), owner) => Ok(owner),
        }
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
