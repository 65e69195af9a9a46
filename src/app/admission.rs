//! What somebody has to show before a guest is made for them, where that is asked for. It fails closed: what is missing,
//! wrong, used or can't be checked lets nobody in.

use chrysalis_domain::Span;

use super::budgets::too_many;
use super::{App, AppError, Caller, Refusal};
use crate::admission::Kind;
use crate::admission::captcha::CaptchaError;
use crate::admission::work::{self, Puzzle, Unsolved};
use crate::limits::{self, Budget};
use crate::log::{LogFault, Quota};

/// What is asked for now.
pub struct Asked {
    /// Nobody gets a guest without it.
    pub required: bool,
    /// One to be solved, where that is it.
    pub puzzle: Option<Puzzle>,
}

/// Something good was shown.
pub(super) struct Shown {
    /// Counts that it was used.
    pub used: Option<Quota>,
}

/// How long it is remembered that a puzzle was used: longer than it can be answered, as nodes' clocks differ.
const USED: Span = Span::from_secs(900);
/// How long to wait when a provider is away.
const PROVIDER_AWAY: Span = Span::from_secs(5);

impl App {
    /// What a stranger from here has to show now.
    pub async fn asked_for_a_guest(&self, caller: &Caller) -> Result<Asked, AppError> {
        let asks = self.admission.asks();
        let required = asks && (self.admission.always || self.service_is_spent(caller.at).await?);
        let puzzle = match &self.admission.kind {
            Kind::Work { effort } => {
                let effort = effort.saturating_mul(self.dearer(caller).await?);
                let network = caller.address.bucket().to_string();
                let puzzle = work::puzzle(&self.keyring, &network, effort, self.entropy.as_ref(), caller.at);
                Some(puzzle.ok_or_else(|| LogFault::Bug("no key to sign puzzles with".to_owned()))?)
            }
            Kind::Nothing | Kind::Captcha(_) => None,
        };
        Ok(Asked { required, puzzle })
    }

    /// Checks what was shown with a call for a guest. Nothing was, and may not have to be: the batch knows, which counts what
    /// the service has had.
    pub(super) async fn shown(&self, caller: &Caller, answer: Option<&str>) -> Result<Option<Shown>, AppError> {
        let Some(answer) = answer.filter(|_| self.admission.asks()) else {
            let missing = self.admission.asks() && self.admission.always;
            return if missing { Err(Refusal::ChallengeRequired.into()) } else { Ok(None) };
        };
        let asking = limits::Caller::at(caller.address);
        let place = self.limits.reserve(Budget::FailedChallenge, &asking, caller.at).map_err(too_many)?;
        let checked = match &self.admission.kind {
            Kind::Nothing => Ok(None),
            Kind::Work { effort } => self.worked(caller, *effort, answer).await,
            Kind::Captcha(captcha) => match captcha.passes(answer, &caller.address).await {
                Ok(true) => Ok(Some(Shown { used: None })),
                Ok(false) => Err(Refusal::ChallengeFailed.into()),
                Err(error) => Err(away(&error)),
            },
        };
        // A provider's fault is not the caller's.
        if !matches!(checked, Err(AppError::Refused(_))) {
            place.refund();
        }
        checked
    }

    async fn worked(&self, caller: &Caller, effort: u32, answer: &str) -> Result<Option<Shown>, AppError> {
        let network = caller.address.bucket().to_string();
        let solved = work::solved(&self.keyring, &network, answer, caller.at).map_err(|unsolved: Unsolved| {
            tracing::debug!(?unsolved, "an answer to a puzzle is none");
            Refusal::ChallengeFailed
        })?;
        // Whoever kept puzzles from when they were cheap starts anew; one step up while somebody worked is no fault of theirs.
        let due = effort.saturating_mul(self.dearer(caller).await?);
        if solved.effort < due / 2 {
            return Err(Refusal::ChallengeFailed.into());
        }
        let key = self.keyring.lookup("puzzle/used", &[solved.nonce.as_bytes()]).hash;
        Ok(Some(Shown { used: Some(Quota::takes(key, 1, USED)) }))
    }
}

fn away(error: &CaptchaError) -> AppError {
    tracing::error!(%error, "a captcha can't be checked: nobody gets a guest");
    AppError::Unavailable { retry_after: PROVIDER_AWAY }
}
