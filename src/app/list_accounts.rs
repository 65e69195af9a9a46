//! The ways in that a user has.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{AccountId, UserId};
use chrysalis_projections::{accounts, table};

use super::identify::Presented;
use super::{App, AppError};
use crate::keys::SealKind;
use crate::log::ask;

/// One way in, readable.
#[derive(Clone, Debug)]
pub struct AccountView {
    pub id: AccountId,
    pub user: UserId,
    pub provider: String,
    /// The user id for a password, the provider's subject for an identity; empty once erased.
    pub subject: String,
    pub scopes: Vec<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl App {
    pub async fn list_accounts(&self, presented: &Presented) -> Result<Vec<AccountView>, AppError> {
        let user = &presented.row.user;
        let rows = ask(self.log.as_ref(), &accounts::OF_USER, &[table::id(user.user)]).await?;
        let view = |row: accounts::AccountRow| {
            let subject = match &row.subject {
                // Issuer and subject: an issuer has no space.
                Some(sealed) => {
                    let known_by = self.sealer(user)?.read(SealKind::Subject, sealed)?.value().unwrap_or_default();
                    known_by.split_once(' ').map(|(_, subject)| subject.to_owned()).unwrap_or_default()
                }
                None => row.user.to_string(),
            };
            let accounts::AccountRow { account: id, user, provider, scopes, created_at, updated_at, .. } = row;
            Ok(AccountView { id, user, provider, subject, scopes, created_at, updated_at })
        };
        rows.into_iter().map(view).collect()
    }
}
