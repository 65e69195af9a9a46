//! The mailed link is opened: in the browser that made the claim it proves the address (CONTRACT 2.6, row a).

use chrysalis_domain::id::{ChallengeId, ClaimId};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::value::{Carrier, ProofKind};
use chrysalis_projections::{challenges, table};
use subtle::ConstantTimeEq;

use super::identify::Presented;
use super::{App, AppError, Caller, Refusal};
use crate::keys::{Purpose, mail_token};
use crate::log::{Actor, ask_one};

/// The purpose under which verification links are made.
pub const VERIFY_EMAIL: &str = "verify-email";

impl App {
    /// `claims` are those that the browser can show it made.
    pub async fn verify_email(
        &self,
        caller: &Caller,
        token: &str,
        claims: &[ClaimId],
        presented: Option<&Presented>,
    ) -> Result<(), AppError> {
        let challenge = self.challenge_of(token).ok_or(Refusal::InvalidToken)?;
        let row = ask_one(self.log.as_ref(), &challenges::BY_ID, &[table::id(challenge)])
            .await?
            .ok_or(Refusal::InvalidToken)?;
        if row.expires_at <= caller.at {
            return Err(Refusal::TokenExpired.into());
        }
        // A session cookie alone does not count: it may have been planted.
        let by_bearer = presented
            .is_some_and(|presented| presented.carrier == Carrier::Bearer && presented.row.user.user == row.user);
        if !by_bearer && !claims.contains(&row.claim) {
            return Err(Refusal::ConfirmationRequired.into());
        }
        let command = UserCommand::VerifyEmail {
            claim: row.claim,
            challenge: Some(challenge),
            proof: ProofKind::VerificationLink,
        };
        match self.execute(self.ask(caller, Actor::user(row.user), row.user, command)).await.map_err(AppError::from) {
            // The user went in between: so did the link.
            Err(AppError::Refused(Refusal::SessionNotLive)) => Err(Refusal::InvalidToken.into()),
            done => done.map(|_| ()),
        }
    }

    /// The challenge that a token stands for, if this installation made it.
    fn challenge_of(&self, token: &str) -> Option<ChallengeId> {
        let id = token.get(..ulid::ULID_LEN)?;
        let challenge: ChallengeId = format!("{}{id}", ChallengeId::PREFIX).parse().ok()?;
        let made = self
            .keyring
            .all(Purpose::MailToken)
            .iter()
            .filter_map(|key| mail_token(&self.keyring, Some(key.id), VERIFY_EMAIL, challenge));
        let mut genuine = false;
        for expected in made {
            genuine |= bool::from(expected.as_bytes().ct_eq(token.as_bytes()));
        }
        genuine.then_some(challenge)
    }
}
