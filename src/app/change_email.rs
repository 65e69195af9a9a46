//! A member gives another address (CONTRACT 2.6 row b, 3).
//!
//! It takes effect when the link mailed to the new address is opened in the session that asked, or elsewhere with the
//! account's password. Whoever reads the old address can undo it for seven days: that ends every session, as one of those
//! who were in was not its reader.

use chrysalis_domain::challenge::event::{ChallengeIssued, VoidReason};
use chrysalis_domain::challenge::{Asker, ChallengeCommand, Purpose};
use chrysalis_domain::id::{ChallengeId, ClaimId, UserId};
use chrysalis_domain::user::command::ProvenAddress;
use chrysalis_domain::user::{UserCommand, UserRefusal};
use chrysalis_domain::value::ProofKind;
use chrysalis_domain::{EmailAddress, Span};
use chrysalis_projections::mails::kind_of;
use chrysalis_projections::users::UserRow;

use super::challenge::{Brought, Details, Wanted};
use super::identify::Presented;
use super::{App, AppError, Caller, Refusal};
use crate::keys::{SealKind, challenge_of};
use crate::log::cqrs::{Concurrency, ExecuteError, Step};
use crate::log::{Actor, Claim, SealedRecord};

/// How long a link to the new address works.
const LIFE: Span = Span::from_days(1);
/// How long the old address can undo it.
const UNDOABLE: Span = Span::from_days(7);

/// What makes the way back, and the address it is mailed to.
type Undo = (Step, SealedRecord);

impl App {
    /// Answers the same for a free address and a taken one.
    pub async fn ask_for_email_change(
        &self,
        caller: &Caller,
        presented: &Presented,
        email: &str,
        callback_url: Option<String>,
    ) -> Result<(), AppError> {
        if !self.config.change_email {
            return Err(Refusal::ChangeEmailDisabled.into());
        }
        if presented.is_guest() {
            return Err(Refusal::Anonymous.into());
        }
        self.fresh_enough(caller, presented)?;
        let email = EmailAddress::parse(email).map_err(|_| Refusal::InvalidEmail)?;
        if self.view_user(&presented.row.user)?.email.as_deref() == Some(email.as_str()) {
            return Err(Refusal::EmailIsTheSame.into());
        }
        let holder = self.holder(&self.keyring.email_claim(&email)).await?;
        let wanted = Wanted {
            purpose: Purpose::ChangeEmail,
            email: &email,
            holder,
            presented: Some(presented),
            details: Details { callback_url, ..Details::default() },
            locale: caller.locale,
            life: LIFE,
        };
        self.challenge(caller, wanted).await.map(|_| ())
    }

    /// Whether a token of `/verify-email` is one of these.
    pub(super) fn is_email_change(&self, token: &str) -> bool {
        challenge_of(&self.keyring, kind_of(Purpose::ChangeEmail), token).is_some()
    }

    pub(super) async fn email_change_stands(&self, caller: &Caller, token: &str) -> Result<(), AppError> {
        self.brought(caller, Purpose::ChangeEmail, token).await.map(|_| ())
    }

    /// Opened in the session that asked.
    pub(super) async fn change_email(
        &self,
        caller: &Caller,
        token: &str,
        presented: Option<&Presented>,
    ) -> Result<(), AppError> {
        let (brought, asker) = self.asked_change(caller, token).await?;
        let here = presented.filter(|presented| presented.row.session == asker.session);
        let here = here.ok_or(Refusal::ConfirmationRequired)?;
        self.changed_email(caller, brought, asker, here.actor(), true).await
    }

    /// Opened elsewhere, by somebody who knows the account's password.
    pub(super) async fn change_email_with_password(
        &self,
        caller: &Caller,
        token: &str,
        password: &str,
    ) -> Result<(), AppError> {
        let (brought, asker) = self.asked_change(caller, token).await?;
        let user = self.user_row(asker.user).await?.ok_or(Refusal::InvalidToken)?;
        if let Err(error) = self.verify_own(caller, &user, password).await {
            if matches!(error, AppError::Refused(Refusal::InvalidPassword)) {
                self.end_challenge(caller, brought.challenge, ChallengeCommand::Miss { own: true }).await?;
            }
            return Err(error);
        }
        self.changed_email(caller, brought, asker, Actor::user(asker.user), false).await
    }

    /// Whoever reads the new address does not know of it.
    pub(super) async fn deny_email_change(&self, caller: &Caller, token: &str) -> Result<(), AppError> {
        let (brought, _) = self.asked_change(caller, token).await?;
        self.end_challenge(caller, brought.challenge, ChallengeCommand::Void { reason: VoidReason::Denied }).await
    }

    /// Whether the old address could still be taken back. Uses nothing up.
    pub async fn undo_stands(&self, caller: &Caller, token: &str) -> Result<(), AppError> {
        self.brought(caller, Purpose::UndoEmailChange, token).await.map(|_| ())
    }

    pub async fn undo_email_change(&self, caller: &Caller, token: &str) -> Result<(), AppError> {
        let brought = self.brought(caller, Purpose::UndoEmailChange, token).await?;
        let asker = brought.issued.asker.ok_or(Refusal::InvalidToken)?;
        let actor = Actor::somebody();
        let command = |proven| UserCommand::UndoEmailChange { proven, notice: self.notice(caller) };
        self.move_to(caller, &brought, asker.user, actor, None, command).await
    }

    async fn asked_change(&self, caller: &Caller, token: &str) -> Result<(Brought, Asker), AppError> {
        let brought = self.brought(caller, Purpose::ChangeEmail, token).await?;
        let asker = brought.issued.asker.ok_or(Refusal::InvalidToken)?;
        Ok((brought, asker))
    }

    async fn changed_email(
        &self,
        caller: &Caller,
        brought: Brought,
        asker: Asker,
        actor: Actor,
        here: bool,
    ) -> Result<(), AppError> {
        let user = self.user_row(asker.user).await?.ok_or(Refusal::InvalidToken)?;
        let undo = self.undoing(caller, &user, asker)?;
        let session = here.then_some(asker.session);
        let (epoch, notice) = (Some(asker.epoch), Some(self.notice(caller)));
        let command = |proven| UserCommand::ChangeEmail { session, proven, epoch, notice };
        self.move_to(caller, &brought, asker.user, actor, undo, command).await
    }

    /// The address leaves whoever only reserved it, and is this user's.
    async fn move_to(
        &self,
        caller: &Caller,
        brought: &Brought,
        user: UserId,
        actor: Actor,
        undo: Option<Undo>,
        command: impl Fn(ProvenAddress) -> UserCommand,
    ) -> Result<(), AppError> {
        let row = self.user_row(user).await?.ok_or(Refusal::InvalidToken)?;
        let key = self.keyring.email_claim(&brought.email);
        let holder = self.holder(&key).await?.filter(|holder| holder.user != user);
        if holder.is_some_and(|holder| holder.verified) {
            return Err(Refusal::InvalidToken.into());
        }
        let address =
            self.sealer(&row)?.seal(SealKind::Email, brought.email.as_str(), self.entropy.as_ref(), caller.at);
        let claim = Claim { claim: ClaimId::from_ulid(self.fresh(caller.at)), key };
        let proven = ProvenAddress { claim: claim.claim, address: address.id, proof: ProofKind::EmailChange };
        let mut ask = self.asking(caller, actor).then(brought.met());
        if let Some(holder) = holder {
            let command = UserCommand::SupersedeClaim { claim: holder.claim };
            ask = ask.then(Step::User(holder.user, Concurrency::Exact, command));
        }
        ask = ask.then(Step::User(user, Concurrency::Exact, command(proven)));
        (ask.sealed, ask.claims) = (vec![address], vec![claim]);
        if let Some((step, address)) = undo {
            ask.steps.push(step);
            ask.sealed.push(address);
        }
        let unproven = self.unproven(&row)?;
        self.execute_mailing(caller, unproven.as_ref(), ask).await.map(|_| ()).map_err(moved)
    }

    /// The way back, mailed to an address that was proven: of another nobody knows whose it is.
    fn undoing(&self, caller: &Caller, user: &UserRow, asker: Asker) -> Result<Option<Undo>, AppError> {
        let Some(email) = self.view_user(user)?.email.filter(|_| user.email_verified) else { return Ok(None) };
        let address = self.sealer(user)?.seal(SealKind::Email, &email, self.entropy.as_ref(), caller.at);
        let challenge = ChallengeId::from_ulid(self.fresh(caller.at));
        let issued = ChallengeIssued {
            challenge,
            purpose: Purpose::UndoEmailChange,
            person: user.person,
            address: address.id,
            details: None,
            asker: Some(asker),
            holder: None,
            silent: false,
            locale: caller.locale,
            at: caller.at,
            expires_at: caller.at + UNDOABLE,
        };
        let step = Step::Challenge(challenge, Concurrency::New, ChallengeCommand::Issue(Box::new(issued)));
        Ok(Some((step, address)))
    }

    pub(super) async fn end_challenge(
        &self,
        caller: &Caller,
        challenge: ChallengeId,
        command: ChallengeCommand,
    ) -> Result<(), AppError> {
        let actor = Actor::somebody();
        let ask = self.asking(caller, actor).then(Step::Challenge(challenge, Concurrency::Exact, command));
        self.execute(ask.whatever_the_settings()).await?;
        Ok(())
    }
}

/// Somebody proved the address in between, or the session or its user went.
fn moved(error: ExecuteError) -> AppError {
    use UserRefusal as R;
    let gone = |refusal: &R| {
        matches!(
            refusal,
            R::ClaimVerified | R::ClaimNotHeld | R::SessionNotLive | R::NotFound | R::Deleted | R::Anonymous
        )
    };
    match error {
        ExecuteError::Refused(refusal) if gone(&refusal) => Refusal::InvalidToken.into(),
        error => match error.into() {
            AppError::Refused(Refusal::EmailInUse) => Refusal::InvalidToken.into(),
            error => error,
        },
    }
}
