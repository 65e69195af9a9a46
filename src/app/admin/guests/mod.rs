//! Guests as the clean-up has them: who goes when, and what administrators have to say to it (CONTRACT 9). By calls over HTTP
//! and on the command line alike, so it takes no more than a log and a keyring.

pub mod clean_up;
mod keep;
pub mod list;
mod outlook;
mod reassign;

use chrysalis_domain::Span;
use chrysalis_domain::id::UserId;
use chrysalis_domain::user::{User, UserCommand};
use chrysalis_projections::stale_guests::Said;
use chrysalis_projections::table::id;
use chrysalis_projections::users::{self, UserRow};

pub use outlook::{Outlook, Stage};

use super::gone;
use crate::app::acting::Acting;
use crate::app::authority::Authority;
use crate::app::{App, AppError, Caller, Refusal};
use crate::keys::{Record, SealKind};
use crate::log::cqrs::{Ask, Concurrency, Step, execute, load};
use crate::log::{LogFault, ask_one};

/// What works on guests, in somebody's name.
pub struct Guests<'a> {
    pub acting: Acting<'a>,
    pub policy: Policy,
}

/// When guests go: the maximum age that is set, and what was configured besides.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// None: no guest goes by itself.
    pub max_age: Option<Span>,
    /// How long beforehand they are told; zero: they are not.
    pub notice: Span,
    /// How long it can be undone; zero: it can't.
    pub undo: Span,
}

/// A guest, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Guest {
    pub row: UserRow,
    pub outlook: Outlook,
}

impl App {
    pub fn guests(&self, caller: &Caller, authority: &Authority) -> Guests<'_> {
        let configured = &self.config.anonymous;
        let max_age = caller.settings.anonymous.max_age;
        Guests::by(self.acting(caller, authority), Policy { max_age, notice: configured.notice, undo: configured.undo })
    }
}

impl<'a> Guests<'a> {
    pub fn by(acting: Acting<'a>, policy: Policy) -> Self {
        Self { acting, policy }
    }

    /// The guest as it stands at this moment: asked of its own events, for the lists may be a moment old.
    pub async fn one(&self, guest: UserId) -> Result<Guest, AppError> {
        let row = self.guest(guest).await?;
        let user = load::<User>(self.acting.log, guest).await?.state;
        let said = Said {
            last_active_at: user.last_activity,
            expires_at: user.announced.map(|told| told.expires_at),
            held_until: user.held.as_ref().map(|held| held.until),
            hold_reason: user.held.and_then(|held| held.reason),
            barred: user.disabled.as_ref().is_some_and(|disabled| disabled.by.is_some()),
            final_at: user.disabled.and_then(|disabled| disabled.final_at),
        };
        let said = (!user.superseded).then_some(said);
        Ok(Guest { row, outlook: self.outlook(said).await? })
    }

    async fn outlook(&self, said: Option<Said>) -> Result<Outlook, LogFault> {
        let reason = match said.and_then(|said| said.hold_reason) {
            Some(reason) => Record::open(self.acting.log, self.acting.keyring, SealKind::HoldReason, reason).await?,
            None => None,
        };
        Ok(Outlook::of(said, reason, &self.policy, self.acting.at))
    }

    /// The row of whoever is a guest.
    async fn guest(&self, guest: UserId) -> Result<UserRow, AppError> {
        let row = self.user(guest).await?;
        if row.standing.is_guest() { Ok(row) } else { Err(Refusal::NotAnonymous.into()) }
    }

    async fn user(&self, user: UserId) -> Result<UserRow, AppError> {
        Ok(ask_one(self.acting.log, &users::BY_ID, &[id(user)]).await?.ok_or(Refusal::UserUnknown)?)
    }

    fn ask(&self, guest: UserId, command: UserCommand) -> Ask {
        let ask =
            Ask::new(self.acting.context.clone(), self.acting.at).then(Step::User(guest, Concurrency::Exact, command));
        ask.whatever_the_settings()
    }

    async fn execute(&self, ask: Ask) -> Result<(), AppError> {
        execute(self.acting.log, self.acting.entropy, ask).await.map(|_| ()).map_err(gone)
    }
}
