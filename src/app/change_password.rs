//! A user who knows the password gives a new one.

use chrysalis_domain::id::{AccountId, SealedId};
use chrysalis_domain::password::Password;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::{EmailAddress, Span};
use chrysalis_projections::users::UserRow;

use super::identify::Presented;
use super::new_session::SignedIn;
use super::sign_in::Stored;
use super::upgrade::password_refusal;
use super::{App, AppError, Caller, Refusal};
use crate::entropy;
use crate::hasher::Verdict;
use crate::keys::{SealKind, SessionToken};
use crate::limits::Reservation;

impl App {
    pub async fn change_password(
        &self,
        caller: &Caller,
        presented: &Presented,
        current: &str,
        new: &str,
        revoke_others: bool,
    ) -> Result<SignedIn, AppError> {
        let user = self.user_row(presented.row.user.user).await?.ok_or(Refusal::SessionNotLive)?;
        let email = self.view_user(&user)?.email;
        let new =
            Password::parse(new, &caller.settings.passwords.policy(), email.as_deref()).map_err(password_refusal)?;
        let verified = self.verify_own(caller, &user, current).await?;
        let hash = self.hasher.hash(new, entropy::bytes(self.entropy.as_ref())).await?;
        let record = self.sealer(&user)?.seal(SealKind::PasswordHash, hash.as_phc(), self.entropy.as_ref(), caller.at);
        let token = SessionToken::create(self.entropy.as_ref(), caller.at);
        let command = UserCommand::ChangePassword {
            session: presented.row.session,
            verified,
            hash: record.id,
            revoke_others,
            // No grace: the old token may be the reason for the change.
            rotation: self.rotation(presented, &token, Span::ZERO)?,
            notice: Some(self.notice(caller)),
        };
        let mut ask = self.ask(caller, presented.actor(), user.user, command);
        ask.sealed = vec![record];
        self.execute_mailing(caller, self.unproven(&user)?.as_ref(), ask).await?;
        self.signed_in(presented, &token).await
    }

    /// Checks a user's own password; answers the hash it was checked against. A wrong one counts as it does at sign-in:
    /// whoever holds a session must not guess faster than whoever stands at the door.
    pub(super) async fn verify_own(
        &self,
        caller: &Caller,
        user: &UserRow,
        password: &str,
    ) -> Result<SealedId, AppError> {
        let found = self.password_of(user).await?.ok_or(Refusal::NoPassword)?;
        self.verify_stored(caller, user, found, password).await
    }

    /// The same against a hash that was found elsewhere.
    pub(super) async fn verify_stored(
        &self,
        caller: &Caller,
        user: &UserRow,
        found: Stored,
        password: &str,
    ) -> Result<SealedId, AppError> {
        let password = Password::for_verification(password, &caller.settings.passwords.policy())
            .map_err(|_| Refusal::InvalidPassword)?;
        let email = self.view_user(user)?.email.and_then(|email| EmailAddress::parse(&email).ok());
        let place = match &email {
            Some(email) => self.guess_budget(caller, email, Some(user)).await?,
            None => Reservation::default(),
        };
        let verdict = self.hasher.verify(password, found.stored).await;
        if matches!(verdict, Ok(Verdict::Mismatch)) {
            place.keep();
            return Err(Refusal::InvalidPassword.into());
        }
        place.refund();
        verdict?;
        Ok(found.record)
    }

    /// A member who came by another way gets a password.
    pub async fn set_password(&self, caller: &Caller, presented: &Presented, new: &str) -> Result<(), AppError> {
        self.fresh_enough(caller, presented)?;
        let user = self.user_row(presented.row.user.user).await?.ok_or(Refusal::SessionNotLive)?;
        if user.standing.is_guest() {
            return Err(Refusal::Anonymous.into());
        }
        if self.password_of(&user).await?.is_some() {
            return Err(Refusal::PasswordAlreadySet.into());
        }
        let email = self.view_user(&user)?.email;
        let new =
            Password::parse(new, &caller.settings.passwords.policy(), email.as_deref()).map_err(password_refusal)?;
        let hash = self.hasher.hash(new, entropy::bytes(self.entropy.as_ref())).await?;
        let record = self.sealer(&user)?.seal(SealKind::PasswordHash, hash.as_phc(), self.entropy.as_ref(), caller.at);
        let command = UserCommand::AddPassword {
            session: presented.row.session,
            account: AccountId::from_ulid(self.fresh(caller.at)),
            hash: record.id,
            notice: self.notice(caller),
        };
        let mut ask = self.ask(caller, presented.actor(), user.user, command);
        ask.sealed = vec![record];
        self.execute(ask).await?;
        Ok(())
    }

    /// Whether the session authenticated within the fresh age (CONTRACT 1.7).
    pub(super) fn fresh_enough(&self, caller: &Caller, presented: &Presented) -> Result<(), Refusal> {
        let age = self.config.sessions.fresh_age;
        let stale = age > Span::ZERO && caller.at.since(presented.row.authenticated_at) >= age;
        if stale || presented.is_impersonated() { Err(Refusal::NotFresh) } else { Ok(()) }
    }
}
