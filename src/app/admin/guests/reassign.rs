//! A guest whose doings belong to somebody who has an account: they are handed over, and the guest goes.
//!
//! An app keeps its own data by user id. What it moves them by is `user.transferred`, which names both, stands in the log
//! before `user.deleted`, and is stored with it or not at all.

use chrysalis_domain::id::UserId;
use chrysalis_domain::user::event::DeletionReason;
use chrysalis_domain::user::{UserCommand, UserRefusal};

use super::Guests;
use crate::app::{AppError, Refusal};
use crate::log::cqrs::{Concurrency, ExecuteError, Step, execute};

impl Guests<'_> {
    /// Members are never given away.
    pub async fn reassign(&self, guest: UserId, to: UserId) -> Result<(), AppError> {
        self.guest(guest).await?;
        if self.user(to).await?.standing.is_guest() {
            return Err(Refusal::Anonymous.into());
        }
        let take = UserCommand::AbsorbGuest { guest, epoch: None };
        let go = UserCommand::DeleteUser { reason: DeletionReason::Administrator, only_if_guest: true };
        let ask = self
            .ask(guest, UserCommand::TransferGuest { to, epoch: None })
            .then(Step::User(to, Concurrency::Exact, take))
            .then(Step::User(guest, Concurrency::Exact, go));
        match execute(self.acting.log, self.acting.entropy, ask).await {
            Ok(_) => Ok(()),
            // Its own browser has handed it over before.
            Err(ExecuteError::Refused(UserRefusal::ChallengeUnknown)) => Err(Refusal::GuestTransferred.into()),
            Err(error) => Err(super::gone(error)),
        }
    }
}
