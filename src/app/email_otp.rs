//! Codes of six digits, mailed to be typed (CONTRACT 5).
//!
//! The browser in which a code is typed decides what it does: its guest, if it has one, becomes a member. A code is
//! short enough to be guessed at, so tries are counted twice: by the code that was asked for from the same network, and
//! by the address over a day, exactly, in the transaction that answers.

use chrysalis_domain::challenge::event::VoidReason;
use chrysalis_domain::challenge::{Challenge, ChallengeCommand, ChallengeRefusal, Purpose};
use chrysalis_domain::id::{ChallengeId, ClaimId};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::value::ProofKind;
use chrysalis_domain::{EmailAddress, Span};
use chrysalis_projections::codes::{self, CodeRow};
use chrysalis_projections::{Value, mails};

use super::challenge::{Brought, Details, Wanted};
use super::identify::Presented;
use super::mailbox::{Proven, Shown};
use super::new_session::SignedIn;
use super::view::UserView;
use super::{App, AppError, Caller, Refusal};
use crate::keys::{PersonSealer, SealKind, genuine};
use crate::limits::{self, Budget};
use crate::log::cqrs::{Concurrency, Step, load};
use crate::log::{Actor, Counting, Quota, ask};

/// How long a code works.
const LIFE: Span = Span::from_secs(600);
/// Codes of one kind that may be typed for an address at a time.
const LIVE: usize = 3;
/// Wrong codes for an address in a day.
const WRONG: u32 = 30;

/// A code as it is typed, and who types it.
#[derive(Clone, Copy, Debug)]
pub struct Typed<'a> {
    pub email: &'a str,
    pub code: &'a str,
    pub presented: Option<&'a Presented>,
    /// Claims that this browser can show it made.
    pub claims: &'a [ClaimId],
}

/// A code that may be typed now.
struct Live {
    challenge: ChallengeId,
    /// It was asked for from the network that types now.
    own: bool,
}

impl App {
    /// Has a code mailed. Answers the same for every address; nobody's address gets a mail only where a code makes a new
    /// member.
    pub async fn ask_for_code(
        &self,
        caller: &Caller,
        presented: Option<&Presented>,
        email: &str,
        purpose: Purpose,
    ) -> Result<(), AppError> {
        let email = otp_address(caller, email)?;
        let key = self.keyring.email_claim(&email);
        let holder = self.holder(&key).await?;
        let rows = self.codes(&email, purpose).await?;
        let (live, expired): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.expires_at > caller.at);
        let own: Vec<_> =
            live.iter().filter(|row| self.asked_from(row) == caller.address.bucket().to_string()).collect();
        if live.len() - own.len() >= LIVE {
            return Ok(());
        }
        let challenge = ChallengeId::from_ulid(self.fresh(caller.at));
        let wanted = Wanted {
            purpose,
            email: &email,
            holder,
            presented,
            details: Details::default(),
            locale: caller.locale,
            life: LIFE,
        };
        let mut ask = self.issuing(caller, challenge, &wanted).await?;
        let replaced = own.iter().map(|row| (row.challenge, VoidReason::Replaced));
        let over = expired.iter().map(|row| (row.challenge, VoidReason::Expired));
        for (challenge, reason) in replaced.chain(over) {
            ask = ask.then(Step::Challenge(challenge, Concurrency::Exact, ChallengeCommand::Void { reason }));
        }
        match self.execute(ask).await.map_err(AppError::from) {
            // The address has had its share: nothing is made, and what was mailed before stays valid.
            Ok(_) | Err(AppError::Refused(Refusal::TooMany(_))) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Signs in, or makes a member.
    pub async fn sign_in_by_code(
        &self,
        caller: &Caller,
        typed: Typed<'_>,
        name: Option<String>,
        image: Option<String>,
    ) -> Result<Proven, AppError> {
        let (brought, quotas) = self.right_code(caller, typed, Purpose::SignInCode).await?;
        let guest = typed.presented.filter(|presented| presented.is_guest());
        let shown = Shown {
            brought,
            proof: ProofKind::EmailOtp,
            guest,
            bring: None,
            presented: typed.presented,
            claims: typed.claims,
            name,
            image,
            quotas,
        };
        self.proven(caller, &shown).await.map_err(|error| match error {
            AppError::Refused(Refusal::SignUpClosed) => Refusal::SignUpDisabled.into(),
            error => as_code(error),
        })
    }

    /// Proves the address of the user who holds it: in that user's own browser, or with their password. Answers the session
    /// that the proof opened, where there is none before it.
    pub async fn verify_by_code(
        &self,
        caller: &Caller,
        typed: Typed<'_>,
        password: Option<&str>,
    ) -> Result<(UserView, Option<SignedIn>), AppError> {
        let (brought, quotas) = self.right_code(caller, typed, Purpose::VerificationCode).await?;
        let holder = self.holder(&self.keyring.email_claim(&brought.email)).await?.ok_or(Refusal::InvalidOtp)?;
        let user = self.user_row(holder.user).await?.ok_or(Refusal::InvalidOtp)?;
        let own = Self::is_own(&holder, typed.presented, typed.claims);
        if !holder.verified && !own {
            let Some(password) = password else {
                self.checked(caller, &brought, quotas).await?;
                return Err(Refusal::ConfirmationRequired.into());
            };
            self.verify_own(caller, &user, password).await?;
        }
        let proof = ProofKind::EmailOtp;
        let opening = if own { self.opening_by_proof(caller, &user, proof, typed.presented)? } else { None };
        let opens = opening.as_ref().map(|opening| opening.session.clone());
        let command = UserCommand::VerifyEmail { claim: holder.claim, challenge: None, proof, opens };
        let actor = Presented::acting_as(user.user, typed.presented);
        let mut ask =
            self.asking(caller, actor).then(brought.met()).then(Step::User(user.user, Concurrency::Exact, command));
        (ask.sealed, ask.quotas) = (opening.iter().map(|opening| opening.client.clone()).collect(), quotas);
        self.execute(ask).await.map_err(|error| as_code(error.into()))?;
        let user = self.user_row(holder.user).await?.ok_or(Refusal::InvalidOtp)?;
        Ok((self.view_user(&user)?, self.opened_by_proof(caller, opening, typed.presented).await?))
    }

    /// Whether a code is right; it stays good.
    pub async fn check_code(&self, caller: &Caller, typed: Typed<'_>, purpose: Purpose) -> Result<(), AppError> {
        let (brought, quotas) = self.right_code(caller, typed, purpose).await?;
        self.checked(caller, &brought, quotas).await
    }

    /// To tell that a code is right is a try like any other: it has its turn among all of them.
    async fn checked(&self, caller: &Caller, brought: &Brought, quotas: Vec<Quota>) -> Result<(), AppError> {
        let command = ChallengeCommand::Check { purpose: brought.issued.purpose };
        let step = Step::Challenge(brought.challenge, Concurrency::Exact, command);
        let mut ask = self.asking(caller, Actor::somebody()).then(step);
        ask.quotas = quotas;
        self.execute(ask).await.map(|_| ()).map_err(|error| as_code(error.into()))
    }

    /// The challenge that the code was mailed for, and what its use has to be counted by. A wrong one is counted here.
    pub(super) async fn right_code(
        &self,
        caller: &Caller,
        typed: Typed<'_>,
        purpose: Purpose,
    ) -> Result<(Brought, Vec<Quota>), AppError> {
        let email = otp_address(caller, typed.email)?;
        let asking = limits::Caller::at(caller.address).with_email(email.as_str());
        let place = self.limits.reserve(Budget::WrongCode, &asking, caller.at).map_err(super::budgets::too_many)?;
        let rows = self.codes(&email, purpose).await?;
        let kind = mails::kind_of(purpose);
        let matches = |row: &&CodeRow| genuine(&self.keyring, kind, row.challenge, typed.code);
        let (rows, expired): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.expires_at > caller.at);
        let network = caller.address.bucket().to_string();
        let mut live = Vec::with_capacity(rows.len());
        for row in &rows {
            let own = self.asked_from(row) == network;
            let state = load::<Challenge>(self.log.as_ref(), row.challenge).await?.state;
            match state.standing(purpose, caller.at) {
                Err(ChallengeRefusal::Exhausted) if own => return Err(Refusal::TooManyAttempts.into()),
                Err(_) => {}
                Ok(_) => live.push((Live { challenge: row.challenge, own }, matches(&row))),
            }
        }
        if let Some((found, _)) = live.iter().find(|(_, right)| *right) {
            place.refund();
            // From another network a right code is a try like any other; from the asker's own it only has to be one that
            // may still be made.
            let quotas = self.code_quota(&email, !found.own);
            let brought = self.standing(caller, purpose, found.challenge).await.map_err(as_code)?;
            return Ok((brought, quotas));
        }
        place.keep();
        if expired.iter().any(|row| matches(&row)) {
            return Err(Refusal::OtpExpired.into());
        }
        self.missed(caller, &email, live.into_iter().map(|(live, _)| live).collect()).await?;
        Err(Refusal::InvalidOtp.into())
    }

    /// Notes a wrong try with the code that was asked for from here, or else with the latest there is.
    async fn missed(&self, caller: &Caller, email: &EmailAddress, live: Vec<Live>) -> Result<(), AppError> {
        let Some(Live { challenge, own }) = live.iter().find(|live| live.own).or(live.last()) else { return Ok(()) };
        let step = Step::Challenge(*challenge, Concurrency::Exact, ChallengeCommand::Miss { own: *own });
        let mut ask = self.asking(caller, Actor::somebody()).then(step);
        ask.quotas = self.code_quota(email, true);
        match self.execute(ask).await.map_err(AppError::from) {
            Ok(_) => Ok(()),
            Err(AppError::Refused(Refusal::TooMany(_) | Refusal::TooManyAttempts)) => {
                Err(Refusal::TooManyAttempts.into())
            }
            // It was used or replaced meanwhile: nothing was there to be guessed at.
            Err(AppError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn code_quota(&self, email: &EmailAddress, counts: bool) -> Vec<Quota> {
        if !self.config.rate_limits {
            return Vec::new();
        }
        let key = self.keyring.lookup("codes/wrong", &[email.as_str().as_bytes()]).hash;
        let counting = if counts { Counting::Takes } else { Counting::Asks };
        vec![Quota { counting, ..Quota::takes(key, WRONG, Span::from_days(1)) }]
    }

    async fn codes(&self, email: &EmailAddress, purpose: Purpose) -> Result<Vec<CodeRow>, AppError> {
        let mut rows = Vec::new();
        for hash in self.keyring.email_claim(email).hashes() {
            let parameters = [Value::Bytes(hash.clone()), Value::Static(purpose.name())];
            rows.extend(ask(self.log.as_ref(), &codes::OF_ADDRESS, &parameters).await?);
        }
        Ok(rows)
    }

    /// The network that a code was asked for from.
    fn asked_from(&self, row: &CodeRow) -> String {
        let sealer = PersonSealer::open(&self.keyring, row.person, row.key.as_ref());
        // Nobody's network is that of no guess.
        let json = sealer
            .ok()
            .flatten()
            .zip(row.details.as_ref())
            .and_then(|(sealer, sealed)| sealer.read(SealKind::Details, sealed).ok()?.value());
        let details: Option<Details> = json.and_then(|json| serde_json::from_str(&json).ok());
        details.unwrap_or_default().network
    }
}

fn otp_address(caller: &Caller, email: &str) -> Result<EmailAddress, Refusal> {
    if !caller.settings.methods.email_otp {
        return Err(Refusal::EmailOtpDisabled);
    }
    EmailAddress::parse(email).map_err(|_| Refusal::InvalidEmail)
}

/// What went wrong with a link, said of a code.
pub(super) fn as_code(error: AppError) -> AppError {
    match error {
        AppError::Refused(Refusal::InvalidToken) => Refusal::InvalidOtp.into(),
        AppError::Refused(Refusal::TokenExpired) => Refusal::OtpExpired.into(),
        AppError::Refused(Refusal::TooMany(_)) => Refusal::TooManyAttempts.into(),
        error => error,
    }
}
