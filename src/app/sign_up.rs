//! Signing up: somebody new becomes a member at once; a guest who signs up becomes one in place.

use chrysalis_domain::id::{ChallengeId, PersonId, UserId};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::value::Authentication;

use super::identify::Presented;
use super::new_session::SignedIn;
use super::upgrade::{PasswordForm, Prepared, check, passwords_open};
use super::{App, AppError, Caller, Refusal};
use crate::entropy;
use crate::keys::PersonSealer;
use crate::log::Actor;

/// What came of a sign-up.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "one a request")]
pub enum SignedUp {
    In(Box<SignedIn>),
    /// The address has to be proven before the first session (`emailPassword.requireEmailVerification`).
    AwaitingProof {
        user: super::view::UserView,
        claim: Option<chrysalis_domain::id::ClaimId>,
    },
    /// The mailbox decides (`email.conflict = private`).
    Mailed(Option<ChallengeId>),
}

impl App {
    pub async fn sign_up(
        &self,
        caller: &Caller,
        presented: Option<&Presented>,
        form: PasswordForm,
    ) -> Result<SignedUp, AppError> {
        if let Some(guest) = presented.filter(|presented| presented.is_guest()) {
            return self.upgrade(caller, guest, form).await.map(Box::new).map(SignedUp::In);
        }
        passwords_open(caller)?;
        let form = check(caller, form)?;
        if self.config.email.private {
            let hash = self.hasher.hash(form.password.clone(), entropy::bytes(self.entropy.as_ref())).await?;
            return self.confirm_address(caller, None, form, &hash).await.map(SignedUp::Mailed);
        }
        let place = self.conflict_budget(caller, None, &form.email)?;
        let hash = match self.hasher.hash(form.password.clone(), entropy::bytes(self.entropy.as_ref())).await {
            Ok(hash) => hash,
            Err(error) => {
                place.refund();
                return Err(error.into());
            }
        };

        let user = UserId::from_ulid(self.fresh(caller.at));
        let person = PersonId::from_ulid(self.fresh(caller.at));
        let (sealer, key) = PersonSealer::create(&self.keyring, person, self.entropy.as_ref())?;
        let Prepared { credentials, mut sealed, claim } = self.credentials(caller, &sealer, &form, &hash)?;
        let passwords = &caller.settings.passwords;
        let opens = passwords.auto_sign_in && !passwords.require_email_verification;
        let opening = opens
            .then(|| self.opening(caller, &sealer, Authentication::password(caller.at), form.remember))
            .transpose()?;
        let claim_id = claim.claim;
        sealed.extend(opening.as_ref().map(|opening| opening.client.clone()));
        let session = opening.as_ref().map(|opening| opening.session.clone());

        let actor = Actor { by: session.as_ref().map(|session| session.id.to_string()), ..Actor::user(user) };
        let command = UserCommand::SignUpWithPassword { user, person, credentials, session };
        let mut ask = self.ask_new(caller, actor, user, command);
        ask.sealed = sealed;
        ask.person_keys = vec![key];
        ask.claims = vec![claim];
        let done = self.execute_mailing(caller, Some(&form.email), ask).await.map_err(AppError::from);
        if !matches!(done, Err(AppError::Refused(Refusal::EmailInUse))) {
            place.refund();
        }
        done?;
        match opening {
            Some(opening) => {
                let row = self.session_row(opening.session.id).await?.ok_or(Refusal::SessionNotLive)?;
                let signed_in = self.signed_in_as(&row, opening.token.as_str())?;
                Ok(SignedUp::In(Box::new(signed_in)))
            }
            None => {
                let row = self.user_row(user).await?.ok_or(Refusal::SessionNotLive)?;
                Ok(SignedUp::AwaitingProof { user: self.view_user(&row)?, claim: Some(claim_id) })
            }
        }
    }
}
