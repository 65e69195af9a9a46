//! Signing in by e-mail and password.
//!
//! An unknown address, an account without a password and a wrong password cost the same work and get the same answer
//! (SECURITY S15).

use chrysalis_domain::EmailAddress;
use chrysalis_domain::id::{SealedId, UserId};
use chrysalis_domain::password::Password;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::value::Authentication;
use chrysalis_projections::accounts;
use chrysalis_projections::table;
use chrysalis_projections::users::{self, UserRow};

use super::identify::Presented;
use super::new_session::SignedIn;
use super::upgrade::password_refusal;
use super::{App, AppError, Caller, Refusal};
use crate::entropy;
use crate::hasher::{PasswordHash, Verdict};
use crate::keys::SealKind;
use crate::log::{Actor, ask, ask_one};

/// A password that leads in, opened, and the sealed record it stands in.
pub(super) struct Stored {
    pub(super) record: SealedId,
    pub(super) stored: PasswordHash,
}

/// The user behind an address, and the password that leads in.
struct Found {
    user: UserRow,
    password: Stored,
}

impl App {
    pub async fn sign_in(
        &self,
        caller: &Caller,
        presented: Option<&Presented>,
        email: &str,
        password: &str,
        remember: bool,
    ) -> Result<SignedIn, AppError> {
        if !caller.settings.methods.email_password {
            return Err(Refusal::PasswordDisabled.into());
        }
        let email = EmailAddress::parse(email).map_err(|_| Refusal::InvalidEmail)?;
        let password =
            Password::for_verification(password, &caller.settings.passwords.policy()).map_err(password_refusal)?;
        let found = self.by_email(&email).await?;
        let place = self.guess_budget(caller, &email, found.as_ref().map(|found| &found.user)).await?;
        let verdict = match &found {
            Some(found) => self.hasher.verify(password.clone(), found.password.stored.clone()).await,
            None => self.hasher.verify_nobody(password.clone()).await,
        };
        let verdict = match verdict {
            Ok(verdict) => verdict,
            Err(error) => {
                place.refund();
                return Err(error.into());
            }
        };
        let account = found.as_ref().map(|found| found.user.user);
        let Some(found) = found.filter(|_| verdict != Verdict::Mismatch) else {
            return Err(Refusal::InvalidEmailOrPassword(account).into());
        };
        place.refund();
        if caller.settings.passwords.require_email_verification && !found.user.email_verified {
            return Err(Refusal::EmailNotVerified.into());
        }
        let signed_in = self.start_session(caller, &found, Authentication::password(caller.at), remember).await?;
        if verdict == Verdict::MatchButOutdated {
            self.rehash(caller, &found, password).await;
        }
        self.with_ticket(caller, presented, signed_in).await
    }

    async fn by_email(&self, email: &EmailAddress) -> Result<Option<Found>, AppError> {
        let Some(holder) = self.holder(&self.keyring.email_claim(email)).await? else { return Ok(None) };
        let Some(user) = self.user_row(holder.user).await? else { return Ok(None) };
        Ok(self.password_of(&user).await?.map(|password| Found { user, password }))
    }

    /// The password of a user, opened.
    pub(super) async fn password_of(&self, user: &UserRow) -> Result<Option<Stored>, AppError> {
        let accounts = ask(self.log.as_ref(), &accounts::OF_USER, &[table::id(user.user)]).await?;
        let Some(sealed) = accounts.into_iter().find_map(|account| account.password) else { return Ok(None) };
        let opened = self.sealer(user)?.read(SealKind::PasswordHash, &sealed)?.value();
        Ok(opened.map(|phc| Stored { record: sealed.id, stored: PasswordHash::from_stored(phc) }))
    }

    /// A new session on an existing account.
    async fn start_session(
        &self,
        caller: &Caller,
        found: &Found,
        authentication: Authentication,
        remember: bool,
    ) -> Result<SignedIn, AppError> {
        let user = &found.user;
        let mut opening = self.opening(caller, &self.sealer(user)?, authentication, remember)?;
        opening.session.verified = Some(found.password.record);
        let id = opening.session.id;
        let actor = Actor::user(user.user).by(id);
        let mut ask = self.ask(caller, actor, user.user, UserCommand::StartSession { session: opening.session });
        ask.sealed = vec![opening.client];
        match self.execute(ask).await.map_err(AppError::from) {
            // The account went away or its password was changed in between: as if this one had never been right.
            Err(AppError::Refused(Refusal::SessionNotLive | Refusal::InvalidPassword | Refusal::NoPassword)) => {
                return Err(Refusal::InvalidEmailOrPassword(Some(user.user)).into());
            }
            done => done?,
        };
        let row = self.session_row(id).await?.ok_or(Refusal::InvalidEmailOrPassword(Some(user.user)))?;
        self.signed_in_as(&row, opening.token.as_str())
    }

    /// The password was hashed with yesterday's parameters, and now we know it. Best effort: the next sign-in tries again.
    async fn rehash(&self, caller: &Caller, found: &Found, password: Password) {
        let done = async {
            let hash = self.hasher.hash(password, entropy::bytes(self.entropy.as_ref())).await?;
            let record =
                self.sealer(&found.user)?.seal(SealKind::PasswordHash, hash.as_phc(), self.entropy.as_ref(), caller.at);
            let command = UserCommand::RehashPassword { replaces: found.password.record, hash: record.id };
            let mut ask = self.ask(caller, Actor::system(), found.user.user, command);
            ask.sealed = vec![record];
            self.execute(ask).await.map(|_| ()).map_err(AppError::from)
        };
        if let Err(error) = done.await {
            tracing::warn!(%error, "a password was not hashed anew");
        }
    }

    pub(super) async fn user_row(&self, user: UserId) -> Result<Option<UserRow>, AppError> {
        Ok(ask_one(self.log.as_ref(), &users::BY_ID, &[table::id(user)]).await?)
    }
}
