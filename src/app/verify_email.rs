//! The verification link: in the browser that made the claim it proves the address; elsewhere it takes the password, or
//! frees the address (CONTRACT 2.6). A link that was mailed for another address is opened in the same way, and leads to
//! [`super::change_email`].

use chrysalis_domain::EmailAddress;
use chrysalis_domain::id::{ChallengeId, ClaimId};
use chrysalis_domain::user::command::NewVerification;
use chrysalis_domain::user::{User, UserCommand};
use chrysalis_domain::value::{Authentication, Carrier, ProofKind};
use chrysalis_projections::challenges::ChallengeRow;
use chrysalis_projections::mails::VERIFY_EMAIL;
use chrysalis_projections::users::UserRow;
use chrysalis_projections::{challenges, table};

use super::identify::Presented;
use super::new_session::{Opening, SignedIn};
use super::sign_in::Stored;
use super::{App, AppError, Caller, Refusal};
use crate::hasher::PasswordHash;
use crate::keys::{Record, SealKind, challenge_of};
use crate::log::cqrs::{ExecuteError, load};
use crate::log::{Actor, ask_one};

impl App {
    /// `claims` are those that the browser can show it made. Answers the session that the proof opened, where there is none
    /// before it.
    pub async fn verify_email(
        &self,
        caller: &Caller,
        token: &str,
        claims: &[ClaimId],
        presented: Option<&Presented>,
    ) -> Result<Option<SignedIn>, AppError> {
        if self.is_email_change(token) {
            return self.change_email(caller, token, presented).await.map(|()| None);
        }
        let (challenge, row) = self.verification(caller, token).await?;
        // A session cookie alone does not count: it may have been planted.
        let by_bearer = presented.is_some_and(|presented| {
            presented.carrier == Carrier::Bearer && presented.row.user.user == row.user && !presented.is_impersonated()
        });
        if !by_bearer && !claims.contains(&row.claim) {
            return Err(Refusal::ConfirmationRequired.into());
        }
        let proof = ProofKind::VerificationLink;
        let user = self.user_row(row.user).await?.ok_or(Refusal::InvalidToken)?;
        let opening = self.opening_by_proof(caller, &user, proof, presented)?;
        let opens = opening.as_ref().map(|opening| opening.session.clone());
        let command = UserCommand::VerifyEmail { claim: row.claim, challenge: Some(challenge), proof, opens };
        let mut ask = self.ask(caller, Presented::acting_as(row.user, presented), row.user, command);
        ask.sealed = opening.iter().map(|opening| opening.client.clone()).collect();
        self.execute(ask).await.map_err(gone)?;
        self.opened_by_proof(caller, opening, presented).await
    }

    /// The session that the holder's browser has been waiting for (`emailPassword.requireEmailVerification`): somebody who
    /// signed up has none before the proof. One who is signed in already keeps to that.
    pub(super) fn opening_by_proof(
        &self,
        caller: &Caller,
        user: &UserRow,
        proof: ProofKind,
        presented: Option<&Presented>,
    ) -> Result<Option<Opening>, AppError> {
        let config = &self.config.email_password;
        let waits = config.require_email_verification && config.auto_sign_in && !user.email_verified;
        let free = presented.is_none_or(|presented| presented.is_guest() && presented.row.user.user != user.user);
        if !(waits && free) {
            return Ok(None);
        }
        self.opening(caller, &self.sealer(user)?, Authentication::mail(proof, caller.at), true).map(Some)
    }

    /// None when somebody else proved the address first.
    pub(super) async fn opened_by_proof(
        &self,
        caller: &Caller,
        opening: Option<Opening>,
        presented: Option<&Presented>,
    ) -> Result<Option<SignedIn>, AppError> {
        let Some(opening) = opening else { return Ok(None) };
        let Some(row) = self.session_row(opening.session.id).await? else { return Ok(None) };
        let signed_in = self.signed_in_as(&row, opening.token.as_str())?;
        self.with_ticket(caller, presented, signed_in).await.map(Some)
    }

    /// Mails another link, which voids the one before. Without a session nobody is told whether there was anything to send.
    pub async fn send_verification(
        &self,
        caller: &Caller,
        presented: Option<&Presented>,
        email: &str,
        callback_url: Option<String>,
    ) -> Result<(), AppError> {
        let email = EmailAddress::parse(email).map_err(|_| Refusal::InvalidEmail)?;
        let holder = self.holder(&self.keyring.email_claim(&email)).await?;
        if let Some(presented) = presented {
            match holder.filter(|holder| holder.user == presented.row.user.user) {
                None => return Err(Refusal::EmailMismatch.into()),
                Some(holder) if holder.verified => return Err(Refusal::EmailAlreadyVerified.into()),
                Some(_) => {}
            }
        }
        let Some(holder) = holder.filter(|holder| !holder.verified) else { return Ok(()) };
        let Some(user) = self.user_row(holder.user).await? else { return Ok(()) };
        let sealer = self.sealer(&user)?;
        let callback =
            callback_url.map(|url| sealer.seal(SealKind::CallbackUrl, &url, self.entropy.as_ref(), caller.at));
        let verification = NewVerification {
            challenge: ChallengeId::from_ulid(self.fresh(caller.at)),
            callback_url: callback.as_ref().map(|record| record.id),
            locale: caller.locale,
            expires_at: caller.at + self.config.email.verification_ttl,
        };
        let actor = presented.map_or_else(Actor::somebody, Presented::actor);
        let mut ask = self.ask(caller, actor, user.user, UserCommand::RequestVerification { verification });
        ask.sealed = callback.into_iter().collect();
        ask.quotas = self.mail_quotas(caller, &email);
        match self.execute(ask).await.map_err(AppError::from) {
            // The address has had its share, or was proven or given up in between: there is nothing to send.
            Ok(_) | Err(AppError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whose address a link proves that was opened elsewhere: for the page that asks.
    pub async fn verification_stands(&self, caller: &Caller, token: &str) -> Result<(), AppError> {
        if self.is_email_change(token) {
            return self.email_change_stands(caller, token).await;
        }
        self.verification(caller, token).await.map(|_| ())
    }

    /// Opened elsewhere, by somebody who knows the password: it is the holder (CONTRACT 2.6, row a). This device is not
    /// signed in.
    pub async fn verify_with_password(&self, caller: &Caller, token: &str, password: &str) -> Result<(), AppError> {
        if self.is_email_change(token) {
            return self.change_email_with_password(caller, token, password).await;
        }
        let (challenge, row) = self.verification(caller, token).await?;
        let user = self.user_row(row.user).await?.ok_or(Refusal::InvalidToken)?;
        if let Err(error) = self.verify_own(caller, &user, password).await {
            if matches!(error, AppError::Refused(Refusal::InvalidPassword)) {
                let command = UserCommand::MissVerification { challenge };
                let actor = Actor::somebody();
                let missed = self.execute(self.ask(caller, actor, row.user, command)).await.map_err(AppError::from);
                if let Err(error @ (AppError::Unavailable { .. } | AppError::Fault(_))) = missed {
                    return Err(error);
                }
            }
            return Err(error);
        }
        let proof = ProofKind::VerificationLink;
        let command = UserCommand::VerifyEmail { claim: row.claim, challenge: Some(challenge), proof, opens: None };
        self.execute(self.ask(caller, Actor::user(row.user), row.user, command)).await.map_err(gone)?;
        Ok(())
    }

    /// Opened elsewhere, by somebody who reads the address and knows nothing of the account: the address is free again.
    pub async fn disown(&self, caller: &Caller, token: &str) -> Result<(), AppError> {
        if self.is_email_change(token) {
            return self.deny_email_change(caller, token).await;
        }
        let (challenge, row) = self.verification(caller, token).await?;
        let command = UserCommand::DisownClaim { claim: row.claim, challenge };
        let actor = Actor::somebody();
        self.execute(self.ask(caller, actor, row.user, command)).await.map_err(gone)?;
        Ok(())
    }

    /// Whoever set up an account that was reclaimed, and reads its mail, shows that both are the same person: the password
    /// of before is good again.
    pub async fn restore_password(
        &self,
        caller: &Caller,
        presented: &Presented,
        password: &str,
    ) -> Result<(), AppError> {
        let user = &presented.row.user;
        let state = load::<User>(self.log.as_ref(), user.user).await?.state;
        let session = presented.row.session;
        let suspended = state.suspended.filter(|held| held.session == session && held.until > caller.at);
        let suspended = suspended.ok_or(Refusal::NoPassword)?;
        let phc = Record::open(self.log.as_ref(), &self.keyring, SealKind::PasswordHash, suspended.hash).await?;
        let stored =
            Stored { record: suspended.hash, stored: PasswordHash::from_stored(phc.ok_or(Refusal::NoPassword)?) };
        let verified = self.verify_stored(caller, user, stored, password).await?;
        let command = UserCommand::RestorePassword { session, verified };
        self.execute(self.ask(caller, presented.actor(), user.user, command)).await?;
        Ok(())
    }

    async fn verification(&self, caller: &Caller, token: &str) -> Result<(ChallengeId, ChallengeRow), AppError> {
        let challenge = challenge_of(&self.keyring, VERIFY_EMAIL, token).ok_or(Refusal::InvalidToken)?;
        let row = ask_one(self.log.as_ref(), &challenges::BY_ID, &[table::id(challenge)]).await?;
        let row = row.ok_or(Refusal::InvalidToken)?;
        if row.expires_at <= caller.at { Err(Refusal::TokenExpired.into()) } else { Ok((challenge, row)) }
    }
}

/// The user went in between: so did the link.
fn gone(error: ExecuteError) -> AppError {
    match error.into() {
        AppError::Refused(Refusal::SessionNotLive) => Refusal::InvalidToken.into(),
        error => error,
    }
}
