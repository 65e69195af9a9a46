//! API keys: making, listing, rotating, switching, revoking. By calls over HTTP and by the command line alike, so it
//! takes no more than a log and a keyring.

use chrysalis_domain::api_key::{ApiKeyCommand, ApiKeyCreated};
use chrysalis_domain::id::{ApiKeyId, OrganizationId, PersonId, UserId};
use chrysalis_domain::{Permissions, Span, Timestamp};
use chrysalis_projections::api_keys::{self, ApiKeyRow};
use chrysalis_projections::table::{self, Sealed};

use super::acting::Acting;
use super::authority::Authority;
use super::{App, AppError, Caller, Refusal};
use crate::entropy::{self};
use crate::keys::{ApiSecret, PersonSealer, SealKind};
use crate::log::cqrs::{Ask, Concurrency, ExecuteError, Step, execute};
use crate::log::{AppendError, LogFault, Refused, ask, ask_one};

/// Keys that a list shows.
const LISTED: i64 = 1_000;

/// What works on keys, in somebody's name.
pub struct ApiKeys<'a> {
    pub acting: Acting<'a>,
    /// What the one who asks may do, and so may give.
    pub giver: Permissions,
    pub maker: Option<UserId>,
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    pub name: String,
    /// A JSON object.
    pub metadata: Option<String>,
    /// None: all that its maker has.
    pub permissions: Option<Permissions>,
    pub organization: Option<OrganizationId>,
    pub expires_at: Option<Timestamp>,
}

/// A key, readable, without its secret.
#[derive(Clone, Debug)]
pub struct ApiKeyView {
    pub row: ApiKeyRow,
    pub name: Option<String>,
    /// A JSON object.
    pub metadata: Option<String>,
}

/// A key with its secret, which is shown this once.
pub struct Issued {
    pub view: ApiKeyView,
    pub secret: ApiSecret,
}

impl App {
    pub fn api_keys(&self, caller: &Caller, authority: &Authority) -> ApiKeys<'_> {
        ApiKeys {
            acting: self.acting(caller, authority),
            giver: authority.permissions().clone(),
            maker: authority.maker(),
        }
    }
}

impl<'a> ApiKeys<'a> {
    /// In the operator's own name, who may give anything.
    pub fn of_operator(acting: Acting<'a>) -> Self {
        Self { acting, giver: Permissions::all(), maker: None }
    }

    pub async fn create(&self, new: NewApiKey, test: bool) -> Result<Issued, AppError> {
        let key = ApiKeyId::from_ulid(entropy::ulid(self.acting.entropy, self.acting.at));
        let secret = ApiSecret::create(self.acting.entropy, test);
        self.store(key, &secret, new).await?;
        self.issued(key, secret).await
    }

    /// A key that was given at the start: taken while there never was one. It has an id of its own, so that of two nodes
    /// that start together one takes it.
    pub async fn take_first(&self, secret: &ApiSecret) -> Result<bool, AppError> {
        if ask_one(self.acting.log, &api_keys::ANY, &[1.into()]).await?.is_some() {
            return Ok(false);
        }
        let new = NewApiKey {
            name: "bootstrap".to_owned(),
            metadata: None,
            permissions: None,
            organization: None,
            expires_at: None,
        };
        match self.store(ApiKeyId::from_ulid(ulid::Ulid::nil()), secret, new).await {
            Ok(()) => Ok(true),
            Err(ExecuteError::Append(AppendError::Refused(Refused::Version { .. }))) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn store(&self, key: ApiKeyId, secret: &ApiSecret, new: NewApiKey) -> Result<(), ExecuteError> {
        let person = PersonId::from_ulid(entropy::ulid(self.acting.entropy, self.acting.at));
        let (sealer, person_key) = PersonSealer::create(self.acting.keyring, person, self.acting.entropy)?;
        let seal = |kind, text: &str| sealer.seal(kind, text, self.acting.entropy, self.acting.at);
        let name = seal(SealKind::Name, &new.name);
        let metadata = new.metadata.map(|metadata| seal(SealKind::Metadata, &metadata));
        let created = ApiKeyCreated {
            key,
            person,
            name: name.id,
            metadata: metadata.as_ref().map(|record| record.id),
            secret: secret.public(),
            permissions: new.permissions.unwrap_or_else(|| self.giver.clone()),
            maker: self.maker,
            organization: new.organization,
            expires_at: new.expires_at,
            at: self.acting.at,
        };
        let command = ApiKeyCommand::Create { by: self.giver.clone(), created: Box::new(created) };
        let mut ask = self.ask(key, Concurrency::New, command);
        ask.sealed = std::iter::once(name).chain(metadata).collect();
        ask.person_keys = vec![person_key];
        self.execute(ask).await
    }

    /// Every key that stands, newest first.
    pub async fn list(&self) -> Result<Vec<ApiKeyView>, AppError> {
        let rows = ask(self.acting.log, &api_keys::STANDING, &[LISTED.into()]).await?;
        Ok(rows.into_iter().map(|row| self.view(row)).collect::<Result<_, _>>()?)
    }

    /// Gives the key another secret; the one before works on for a while.
    pub async fn rotate(
        &self,
        key: ApiKeyId,
        overlap: Span,
        expires_at: Option<Timestamp>,
        test: bool,
    ) -> Result<Issued, AppError> {
        let secret = ApiSecret::create(self.acting.entropy, test);
        let command = ApiKeyCommand::Rotate { by: self.giver.clone(), secret: secret.public(), overlap, expires_at };
        self.execute(self.ask(key, Concurrency::Exact, command)).await?;
        self.issued(key, secret).await
    }

    /// Takes the key out of use, or into use again.
    pub async fn switch(&self, key: ApiKeyId, enabled: bool) -> Result<ApiKeyView, AppError> {
        let command = ApiKeyCommand::Switch { by: self.giver.clone(), enabled };
        self.execute(self.ask(key, Concurrency::Exact, command)).await?;
        self.one(key).await
    }

    /// For good.
    pub async fn revoke(&self, key: ApiKeyId) -> Result<(), AppError> {
        Ok(self.execute(self.ask(key, Concurrency::Exact, ApiKeyCommand::Revoke)).await?)
    }

    async fn issued(&self, key: ApiKeyId, secret: ApiSecret) -> Result<Issued, AppError> {
        Ok(Issued { view: self.one(key).await?, secret })
    }

    async fn one(&self, key: ApiKeyId) -> Result<ApiKeyView, AppError> {
        let row = ask_one(self.acting.log, &api_keys::BY_ID, &[table::id(key)]).await?;
        Ok(self.view(row.ok_or(Refusal::ApiKeyUnknown)?)?)
    }

    fn view(&self, row: ApiKeyRow) -> Result<ApiKeyView, LogFault> {
        let sealer = PersonSealer::open(self.acting.keyring, row.person, row.person_key.as_ref())?;
        let read = |kind, sealed: Option<&Sealed>| sealer.as_ref()?.shown(kind, sealed?);
        let (name, metadata) =
            (read(SealKind::Name, row.name.as_ref()), read(SealKind::Metadata, row.metadata.as_ref()));
        Ok(ApiKeyView { row, name, metadata })
    }

    fn ask(&self, key: ApiKeyId, concurrency: Concurrency, command: ApiKeyCommand) -> Ask {
        let ask = Ask::new(self.acting.context.clone(), self.acting.at).then(Step::ApiKey(key, concurrency, command));
        ask.whatever_the_settings()
    }

    async fn execute(&self, ask: Ask) -> Result<(), ExecuteError> {
        execute(self.acting.log, self.acting.entropy, ask).await.map(|_| ())
    }
}
