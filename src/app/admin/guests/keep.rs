//! Guests that are to stay: held until a date, given free again, brought back from out of use.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::UserId;
use chrysalis_domain::user::UserCommand;

use super::{Guest, Guests};
use crate::app::AppError;
use crate::keys::{PersonSealer, SealKind};
use crate::log::LogFault;

impl Guests<'_> {
    /// No clean-up takes the guest before then. Held before, it is held until then instead.
    pub async fn hold(&self, guest: UserId, until: Timestamp, reason: Option<&str>) -> Result<Guest, AppError> {
        let row = self.guest(guest).await?;
        let sealer = PersonSealer::open(self.acting.keyring, row.person, row.key.as_ref())?;
        let sealer = sealer.ok_or_else(|| LogFault::Damaged(format!("the key of {} does not open", row.person)))?;
        let record =
            reason.map(|reason| sealer.seal(SealKind::HoldReason, reason, self.acting.entropy, self.acting.at));
        let command = UserCommand::HoldGuest { until, reason: record.as_ref().map(|record| record.id) };
        let mut ask = self.ask(guest, command);
        ask.sealed = record.into_iter().collect();
        self.execute(ask).await?;
        self.one(guest).await
    }

    pub async fn release(&self, guest: UserId) -> Result<Guest, AppError> {
        self.guest(guest).await?;
        self.execute(self.ask(guest, UserCommand::ReleaseGuest)).await?;
        self.one(guest).await
    }

    /// Brings back whom a clean-up took out of use, with the sessions that would still live. It is held for as long again
    /// as it may be away.
    pub async fn undo(&self, guest: UserId) -> Result<Guest, AppError> {
        self.guest(guest).await?;
        self.execute(self.ask(guest, UserCommand::RestoreGuest)).await?;
        self.one(guest).await
    }
}
