//! A user who knows the password gives a new one.

use chrysalis_domain::id::SealedId;
use chrysalis_domain::password::Password;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::{EmailAddress, Span};
use chrysalis_projections::users::UserRow;

use super::identify::Presented;
use super::new_session::SignedIn;
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
        let new = Password::parse(new, &self.config.password_policy(), email.as_deref()).map_err(password_refusal)?;
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
        };
        let mut ask = self.ask(caller, presented.actor(), user.user, command);
        ask.sealed = vec![record];
        self.execute(ask).await?;
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
        let password = Password::for_verification(password, &self.config.password_policy())
            .map_err(|_| Refusal::InvalidPassword)?;
        let found = self.password_of(user).await?.ok_or(Refusal::NoPassword)?;
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
}
