//! A member who does not come by themselves. Nobody is mailed.

use chrysalis_domain::id::{AccountId, ClaimId, PersonId, UserId};
use chrysalis_domain::password::Password;
use chrysalis_domain::role::{ADMIN, Roles};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::command::{ChosenPassword, NewMember};
use chrysalis_domain::{EmailAddress, Permission};

use crate::app::authority::Authority;
use crate::app::upgrade::password_refusal;
use crate::app::view::UserView;
use crate::app::{App, AppError, Caller, Refusal};
use crate::entropy;
use crate::keys::{PersonSealer, SealKind};
use crate::log::{Claim, SealedRecord};

/// A user to be made. Objects are JSON.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub email: String,
    pub password: Option<String>,
    pub name: String,
    pub image: Option<String>,
    pub metadata: Option<String>,
    pub app_metadata: Option<String>,
    pub roles: Option<Roles>,
    pub verified: bool,
}

impl App {
    pub async fn create_user(
        &self,
        caller: &Caller,
        authority: &Authority,
        new: NewUser,
    ) -> Result<UserView, AppError> {
        // What makes somebody sign in as another takes more than making a user.
        if new.verified {
            authority.needs(Permission::UsersCredentials)?;
        }
        if let Some(roles) = &new.roles {
            authority.gives(roles)?;
        }
        let email = EmailAddress::parse(&new.email).map_err(|_| Refusal::InvalidEmail)?;
        let policy = caller.settings.passwords.policy();
        let hash = match &new.password {
            Some(password) => {
                let password = Password::parse(password, &policy, Some(email.as_str())).map_err(password_refusal)?;
                Some(self.hasher.hash(password, entropy::bytes(self.entropy.as_ref())).await?)
            }
            None => None,
        };
        let user = UserId::from_ulid(self.fresh(caller.at));
        let person = PersonId::from_ulid(self.fresh(caller.at));
        let (sealer, key) = PersonSealer::create(&self.keyring, person, self.entropy.as_ref())?;
        let mut sealed: Vec<SealedRecord> = Vec::new();
        let mut seal = |kind, text: &str| {
            let record = sealer.seal(kind, text, self.entropy.as_ref(), caller.at);
            let id = record.id;
            sealed.push(record);
            id
        };
        let address = seal(SealKind::Email, email.as_str());
        let claim = ClaimId::from_ulid(self.fresh(caller.at));
        let member = NewMember {
            user,
            person,
            claim,
            address,
            verified: new.verified,
            password: hash.map(|hash| ChosenPassword {
                account: AccountId::from_ulid(self.fresh(caller.at)),
                hash: seal(SealKind::PasswordHash, hash.as_phc()),
            }),
            name: Some(seal(SealKind::Name, &new.name)),
            image: new.image.map(|image| seal(SealKind::Image, &image)),
            metadata: new.metadata.map(|metadata| seal(SealKind::Metadata, &metadata)),
            app_metadata: new.app_metadata.map(|metadata| seal(SealKind::AppMetadata, &metadata)),
            roles: new.roles,
        };
        let command = UserCommand::CreateMember { member: Box::new(member) };
        let mut ask = self.ask_new(caller, authority.actor(), user, command);
        ask.sealed = sealed;
        ask.person_keys = vec![key];
        ask.claims = vec![Claim { claim, key: self.keyring.email_claim(&email) }];
        self.execute(ask).await?;
        self.get_user(user).await
    }
}

impl Authority {
    /// Whether it may give these roles: that of an administrator is all there is to give.
    pub(super) fn gives(&self, roles: &Roles) -> Result<(), Refusal> {
        self.needs(Permission::UsersRoles)?;
        if roles.has(ADMIN) { self.whole() } else { Ok(()) }
    }
}
