//! A user goes, with sessions and claims, in one append.

use chrysalis_domain::challenge::Purpose;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::DeletionReason;
use chrysalis_domain::{EmailAddress, Span};

use super::challenge::{Details, Wanted};
use super::identify::Presented;
use super::{App, AppError, Caller, Refusal};
use crate::log::cqrs::{Concurrency, Step};

/// How long a link that deletes works.
const LIFE: Span = Span::from_days(1);

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    Gone,
    /// A link was mailed: only that deletes.
    Mailed,
}

impl App {
    /// A guest gives up what it has. A member is refused.
    pub async fn delete_guest(&self, caller: &Caller, presented: &Presented) -> Result<(), AppError> {
        self.delete(caller, presented, true).await
    }

    /// A user deletes itself: by password, in a session that authenticated a short while ago, or by the link that was
    /// mailed for it.
    pub async fn delete_user(
        &self,
        caller: &Caller,
        presented: &Presented,
        password: Option<&str>,
        token: Option<&str>,
        callback_url: Option<String>,
    ) -> Result<Deleted, AppError> {
        if !self.config.delete_user.enabled {
            return Err(Refusal::DeletionDisabled.into());
        }
        if let Some(password) = password {
            self.verify_own(caller, &presented.row.user, password).await?;
        }
        if let Some(token) = token {
            self.delete_by_link(caller, presented, token).await?;
            return Ok(Deleted::Gone);
        }
        let email = self.view_user(&presented.row.user)?.email.and_then(|email| EmailAddress::parse(&email).ok());
        if let Some(email) = email.filter(|_| self.config.delete_user.by_mail) {
            self.ask_for_deletion(caller, presented, &email, callback_url).await?;
            return Ok(Deleted::Mailed);
        }
        if password.is_none() && !self.is_fresh(presented, caller) {
            return Err(Refusal::SessionNotFresh.into());
        }
        self.delete(caller, presented, false).await?;
        Ok(Deleted::Gone)
    }

    /// The link that was mailed, opened in a session of the same user.
    pub async fn delete_by_link(&self, caller: &Caller, presented: &Presented, token: &str) -> Result<(), AppError> {
        if !self.config.delete_user.enabled {
            return Err(Refusal::DeletionDisabled.into());
        }
        let brought = self.brought(caller, Purpose::DeleteUser, token).await?;
        let user = presented.row.user.user;
        if brought.issued.asker.is_none_or(|asker| asker.user != user) {
            return Err(Refusal::InvalidToken.into());
        }
        let command = UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest: false };
        let ask = self.asking(caller, presented.actor()).then(brought.met());
        self.execute(ask.then(Step::User(user, Concurrency::Exact, command))).await?;
        Ok(())
    }

    async fn ask_for_deletion(
        &self,
        caller: &Caller,
        presented: &Presented,
        email: &EmailAddress,
        callback_url: Option<String>,
    ) -> Result<(), AppError> {
        let wanted = Wanted {
            purpose: Purpose::DeleteUser,
            email,
            holder: self.holder(&self.keyring.email_claim(email)).await?,
            presented: Some(presented),
            details: Details { callback_url, ..Details::default() },
            locale: caller.locale,
            life: LIFE,
        };
        self.challenge(caller, wanted).await.map(|_| ())
    }

    /// Fresh counts from the session's last authentication (sign-in, upgrade). A fresh age of zero asks for none.
    pub fn is_fresh(&self, presented: &Presented, caller: &Caller) -> bool {
        self.fresh_enough(caller, presented).is_ok()
    }

    async fn delete(&self, caller: &Caller, presented: &Presented, only_if_guest: bool) -> Result<(), AppError> {
        let command = UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest };
        self.execute(self.ask(caller, presented.actor(), presented.row.user.user, command)).await?;
        Ok(())
    }
}
