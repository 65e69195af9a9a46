//! Administrators whom the configuration names by address: whoever holds it has the role as soon as the address is
//! verified, and again at every start.

use chrysalis_domain::EmailAddress;
use chrysalis_domain::id::{CommandId, MailId, UserId};
use chrysalis_domain::role::{ADMIN, Roles};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::command::{Administration, NewNotice};
use chrysalis_domain::value::{Change, Locale};

use crate::app::{App, AppError};
use crate::log::Context;
use crate::log::cqrs::{Ask, Concurrency, Step, execute};

impl App {
    /// Whose address may be verified by it, where the configuration appoints anybody.
    pub(in crate::app) fn may_be_appointed(&self, ask: &Ask) -> Option<UserId> {
        if self.config.admin.emails.is_empty() {
            return None;
        }
        ask.steps.iter().find_map(|step| match step {
            Step::User(user, _, command) if command.may_prove() => Some(*user),
            _ => None,
        })
    }

    /// What was asked for is done all the same; whoever is not appointed now is at the next start.
    pub(in crate::app) async fn appoint(&self, user: UserId) {
        if let Err(error) = self.appoint_if_named(user).await {
            tracing::error!(%user, %error, "an administrator of the configuration was not given the role");
        }
    }

    /// Everybody whom the configuration names.
    pub(in crate::app) async fn appoint_all(&self) -> Result<(), AppError> {
        for email in &self.config.admin.emails {
            if let Some(holder) = self.holder(&self.keyring.email_claim(email)).await? {
                self.appoint_if_named(holder.user).await?;
            }
        }
        Ok(())
    }

    async fn appoint_if_named(&self, user: UserId) -> Result<(), AppError> {
        let row = self.user_row(user).await?.filter(|row| row.email_verified && !row.standing.is_guest());
        let Some(row) = row.filter(|row| !row.administers()) else { return Ok(()) };
        let email = self.view_user(&row)?.email.and_then(|email| EmailAddress::parse(&email).ok());
        if !email.is_some_and(|email| self.config.admin.emails.contains(&email)) {
            return Ok(());
        }
        let held = Roles::parse(&row.role).unwrap_or_default();
        let roles = if held == Roles::default() { Roles::parse(ADMIN) } else { held.with(ADMIN) };
        let at = self.clock.now();
        let context = Context::of_system(CommandId::from_ulid(self.fresh(at)));
        let administration = Administration {
            name: Change::Kept,
            image: Change::Kept,
            metadata: Change::Kept,
            app_metadata: None,
            roles,
            verified: None,
            password: None,
            notice: NewNotice { mail: MailId::from_ulid(self.fresh(at)), locale: Locale::ENGLISH },
        };
        let command = UserCommand::Administer { administration: Box::new(administration) };
        let ask = Ask::new(context, at).then(Step::User(user, Concurrency::Exact, command)).whatever_the_settings();
        execute(self.log.as_ref(), self.entropy.as_ref(), ask).await?;
        tracing::info!(%user, "administers, as the configuration names their address");
        Ok(())
    }
}
