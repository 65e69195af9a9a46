//! What is said of a user, what the user may do, and how they get in, changed by an administrator in one go.

use chrysalis_domain::Permission;
use chrysalis_domain::id::{AccountId, UserId};
use chrysalis_domain::password::Password;
use chrysalis_domain::role::Roles;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::command::{Administration, ChosenPassword};
use chrysalis_domain::value::Change;
use serde_json::{Map, Value};

use super::gone;
use crate::app::authority::Authority;
use crate::app::update_user::{METADATA_MAX, UpdateError, merge};
use crate::app::upgrade::password_refusal;
use crate::app::view::UserView;
use crate::app::{App, AppError, Caller};
use crate::entropy;
use crate::keys::SealKind;

/// Bytes of `appMetadata`, as JSON: it travels in every token, and so in headers.
pub const APP_METADATA_MAX: usize = 4 * 1024;

/// Which fields change. The outer `None`: left as it is; the inner: cleared. Metadata are merged, key by key; a null
/// removes its key.
#[derive(Clone, Debug, Default)]
pub struct UserChanges {
    pub name: Option<String>,
    pub image: Option<Option<String>>,
    pub metadata: Option<Map<String, Value>>,
    pub app_metadata: Option<Map<String, Value>>,
    pub roles: Option<Roles>,
    pub verified: Option<bool>,
    pub password: Option<String>,
}

impl UserChanges {
    pub fn is_empty(&self) -> bool {
        let Self { name, image, metadata, app_metadata, roles, verified, password } = self;
        let said = name.is_some() || image.is_some() || metadata.is_some() || app_metadata.is_some();
        !said && roles.is_none() && verified.is_none() && password.is_none()
    }
}

impl App {
    pub async fn administer_user(
        &self,
        caller: &Caller,
        authority: &Authority,
        user: UserId,
        changes: UserChanges,
    ) -> Result<UserView, UpdateError> {
        let row = self.target(user).await?;
        let view = self.view_user(&row)?;
        if let Some(roles) = &changes.roles {
            authority.gives(roles).map_err(AppError::from)?;
            authority.over(&row).map_err(AppError::from)?;
        }
        if changes.verified.is_some() || changes.password.is_some() {
            authority.needs(Permission::UsersCredentials).map_err(AppError::from)?;
            authority.over(&row).map_err(AppError::from)?;
        }
        let sealer = self.sealer(&row).map_err(AppError::from)?;
        let hash = match &changes.password {
            // The user decides once more; until then nothing is hashed for a guest.
            Some(password) if !row.standing.is_guest() => {
                let policy = caller.settings.passwords.policy();
                let password = Password::parse(password, &policy, view.email.as_deref());
                let password = password.map_err(password_refusal).map_err(AppError::from)?;
                let hash = self.hasher.hash(password, entropy::bytes(self.entropy.as_ref())).await;
                Some(hash.map_err(AppError::from)?)
            }
            Some(_) => return Err(AppError::from(crate::app::Refusal::Anonymous).into()),
            None => None,
        };
        let mut sealed = Vec::new();
        let mut seal = |kind, text: &str| {
            let record = sealer.seal(kind, text, self.entropy.as_ref(), caller.at);
            let id = record.id;
            sealed.push(record);
            id
        };
        let merged = |held: Option<&serde_json::value::RawValue>, changes, max, field| {
            let merged = merge(held.map_or("{}", |json| json.get()), changes);
            if merged.len() > max { Err(UpdateError::TooLarge { field, max }) } else { Ok(merged) }
        };
        let metadata = match changes.metadata {
            Some(changes) => Change::Set(seal(
                SealKind::Metadata,
                &merged(view.metadata.as_deref(), changes, METADATA_MAX, "metadata")?,
            )),
            None => Change::Kept,
        };
        let app_metadata = match changes.app_metadata {
            Some(changes) => Some(seal(
                SealKind::AppMetadata,
                &merged(view.app_metadata.as_deref(), changes, APP_METADATA_MAX, "appMetadata")?,
            )),
            None => None,
        };
        let administration = Administration {
            name: changes.name.map_or(Change::Kept, |name| Change::Set(seal(SealKind::Name, &name))),
            image: match changes.image {
                None => Change::Kept,
                Some(None) => Change::Cleared,
                Some(Some(image)) => Change::Set(seal(SealKind::Image, &image)),
            },
            metadata,
            app_metadata,
            roles: changes.roles,
            verified: changes.verified,
            password: hash.map(|hash| ChosenPassword {
                account: AccountId::from_ulid(self.fresh(caller.at)),
                hash: seal(SealKind::PasswordHash, hash.as_phc()),
            }),
            notice: self.notice(caller),
        };
        let command = UserCommand::Administer { administration: Box::new(administration) };
        let mut ask = self.ask(caller, authority.actor(), user, command);
        ask.sealed = sealed;
        self.execute(ask).await.map_err(gone)?;
        Ok(self.get_user(user).await?)
    }
}
