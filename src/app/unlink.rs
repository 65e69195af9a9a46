//! A way in is given up: never the last one (CONTRACT 3).

use chrysalis_domain::id::AccountId;
use chrysalis_domain::user::UserCommand;
use chrysalis_projections::{accounts, table};

use super::identify::Presented;
use super::{App, AppError, Caller, Refusal};
use crate::log::ask;
use crate::social::known::canonical;

/// Which way in.
#[derive(Clone, Copy, Debug)]
pub enum Account<'a> {
    Id(&'a str),
    /// The one of this provider; refused if there are several.
    Provider(&'a str),
}

impl App {
    pub async fn unlink(&self, caller: &Caller, presented: &Presented, account: Account<'_>) -> Result<(), AppError> {
        self.fresh_enough(caller, presented)?;
        let user = presented.row.user.user;
        let rows = ask(self.log.as_ref(), &accounts::OF_USER, &[table::id(user)]).await?;
        let mut meant = rows.iter().filter(|row| match account {
            Account::Id(id) => id.parse::<AccountId>().is_ok_and(|id| id == row.account),
            Account::Provider(provider) => row.provider == canonical(provider),
        });
        let (Some(row), None) = (meant.next(), meant.next()) else { return Err(Refusal::AccountNotFound.into()) };
        let command = UserCommand::UnlinkAccount {
            session: presented.row.session,
            account: row.account,
            notice: Some(self.notice(caller)),
        };
        let unproven = self.unproven(&presented.row.user)?;
        let ask = self.ask(caller, presented.actor(), user, command);
        self.execute_mailing(caller, unproven.as_ref(), ask).await?;
        Ok(())
    }
}
