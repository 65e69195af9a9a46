//! A forgotten password: whoever reads the address gives a new one (CONTRACT 3, 5).
//!
//! The proof also verifies the address, and ends every other session. For nobody's address the same is stored and
//! answered; only the mail is not sent.

use chrysalis_domain::challenge::Purpose;
use chrysalis_domain::id::{AccountId, ClaimId};
use chrysalis_domain::password::Password;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::command::NewPassword;
use chrysalis_domain::value::ProofKind;
use chrysalis_domain::{EmailAddress, Span};

use super::challenge::{Brought, Details, Wanted};
use super::email_otp::{Typed, as_code};
use super::identify::Presented;
use super::new_session::SignedIn;
use super::upgrade::password_refusal;
use super::{App, AppError, Caller, Refusal};
use crate::entropy;
use crate::keys::{SealKind, SessionToken};
use crate::log::Quota;
use crate::log::cqrs::{Concurrency, Step};

/// How long a link works.
const LIFE: Span = Span::from_hours(1);

impl App {
    /// Has a link mailed to whoever holds the address.
    pub async fn ask_for_reset(
        &self,
        caller: &Caller,
        presented: Option<&Presented>,
        email: &str,
        redirect_to: Option<String>,
    ) -> Result<(), AppError> {
        resets_open(caller)?;
        let email = EmailAddress::parse(email).map_err(|_| Refusal::InvalidEmail)?;
        let holder = self.holder(&self.keyring.email_claim(&email)).await?;
        let details = Details { callback_url: redirect_to, ..Details::default() };
        let wanted = Wanted {
            purpose: Purpose::ResetLink,
            email: &email,
            holder,
            presented,
            details,
            locale: caller.locale,
            life: LIFE,
        };
        self.challenge(caller, wanted).await.map(|_| ())
    }

    /// Whether a link could still be used. Uses nothing up.
    pub async fn reset_stands(&self, caller: &Caller, token: &str) -> Result<(), AppError> {
        self.brought(caller, Purpose::ResetLink, token).await.map(|_| ())
    }

    /// Answers the caller's own session, where it is that user's: it goes on with a new token.
    pub async fn reset_by_link(
        &self,
        caller: &Caller,
        presented: Option<&Presented>,
        claims: &[ClaimId],
        token: &str,
        password: &str,
    ) -> Result<Option<SignedIn>, AppError> {
        resets_open(caller)?;
        let brought = self.brought(caller, Purpose::ResetLink, token).await.map_err(expired_is_invalid)?;
        let reset = Reset { brought, proof: ProofKind::PasswordReset, presented, claims, quotas: Vec::new() };
        self.reset(caller, reset, password).await.map_err(expired_is_invalid)
    }

    pub async fn reset_by_code(
        &self,
        caller: &Caller,
        typed: Typed<'_>,
        password: &str,
    ) -> Result<Option<SignedIn>, AppError> {
        resets_open(caller)?;
        let (brought, quotas) = self.right_code(caller, typed, Purpose::ResetCode).await?;
        let (presented, claims) = (typed.presented, typed.claims);
        let reset = Reset { brought, proof: ProofKind::EmailOtp, presented, claims, quotas };
        self.reset(caller, reset, password).await.map_err(as_code)
    }

    async fn reset(&self, caller: &Caller, reset: Reset<'_>, password: &str) -> Result<Option<SignedIn>, AppError> {
        let Reset { brought, proof, presented, claims, quotas } = reset;
        let password = Password::parse(password, &caller.settings.passwords.policy(), Some(brought.email.as_str()))
            .map_err(password_refusal)?;
        let holder = self.holder(&self.keyring.email_claim(&brought.email)).await?.ok_or(Refusal::InvalidToken)?;
        let user = self.user_row(holder.user).await?.ok_or(Refusal::InvalidToken)?;
        let hash = self.hasher.hash(password, entropy::bytes(self.entropy.as_ref())).await?;
        let record = self.sealer(&user)?.seal(SealKind::PasswordHash, hash.as_phc(), self.entropy.as_ref(), caller.at);
        let token = SessionToken::create(self.entropy.as_ref(), caller.at);
        let own = presented.filter(|presented| presented.row.user.user == user.user);
        let session = match own {
            Some(own) => Some((own.row.session, self.rotation(own, &token, Span::ZERO)?)),
            None => None,
        };
        let issued = &brought.issued;
        let epoch = issued.holder.filter(|bound| bound.user == user.user).map(|bound| bound.epoch);
        let command = UserCommand::ResetPassword {
            reset: NewPassword {
                claim: holder.claim,
                proof,
                own: Self::is_own(&holder, presented, claims),
                account: AccountId::from_ulid(self.fresh(caller.at)),
                hash: record.id,
                session,
                notice: self.notice(caller),
            },
            epoch,
        };
        let actor = Presented::acting_as(user.user, presented);
        let mut ask =
            self.asking(caller, actor).then(brought.met()).then(Step::User(user.user, Concurrency::Exact, command));
        (ask.sealed, ask.quotas) = (vec![record], quotas);
        self.execute(ask).await?;
        let Some(own) = own else { return Ok(None) };
        let row = self.session_row(own.row.session).await?.filter(|row| row.ended_at.is_none());
        row.map(|row| self.signed_in_as(&row, token.as_str())).transpose()
    }
}

fn resets_open(caller: &Caller) -> Result<(), Refusal> {
    if caller.settings.methods.email_password { Ok(()) } else { Err(Refusal::ResetDisabled) }
}

/// A proof, and who brought it.
struct Reset<'a> {
    brought: Brought,
    proof: ProofKind,
    presented: Option<&'a Presented>,
    claims: &'a [ClaimId],
    quotas: Vec<Quota>,
}

/// A link past its time is told apart from none by nobody.
fn expired_is_invalid(error: AppError) -> AppError {
    match error {
        AppError::Refused(Refusal::TokenExpired) => Refusal::InvalidToken.into(),
        error => error,
    }
}
