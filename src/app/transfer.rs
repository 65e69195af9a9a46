//! Signing in to an account one already has leaves the guest of that browser whole, and gives a ticket: with it, what the
//! guest did can be moved to the account (CONTRACT 2.5, 9).
//!
//! Both sides are proven: the ticket shows that the sign-in was made in the guest's own browser, the session shows whose
//! account it is. Both streams are written in one group, so a transfer is done or not, and done once.

use chrysalis_domain::id::UserId;
use chrysalis_domain::user::{User, UserCommand};
use chrysalis_domain::{Span, Timestamp};

use super::identify::Presented;
use super::new_session::SignedIn;
use super::view::UserView;
use super::{App, AppError, Caller, Refusal};
use crate::keys::Ticket;
use crate::log::LogFault;
use crate::log::cqrs::{Concurrency, Step, load};

/// How long a ticket can be redeemed.
const LIFE: Span = Span::from_days(1);

/// A ticket as its bearer gets it.
#[derive(Clone, Debug)]
pub struct Transfer {
    pub ticket: String,
    pub guest: UserId,
    pub expires_at: Timestamp,
}

/// What came of a ticket, or would.
#[derive(Clone, Debug)]
pub struct Redeemed {
    /// The guest as it was, where it still can be seen.
    pub guest: UserView,
    pub account: UserId,
    /// False: it was only asked what would be moved.
    pub done: bool,
}

impl App {
    /// The same answer, with a ticket if the browser signed in from a guest's session to somebody else's account.
    pub(super) async fn with_ticket(
        &self,
        caller: &Caller,
        guest: Option<&Presented>,
        mut signed_in: SignedIn,
    ) -> Result<SignedIn, AppError> {
        let account = signed_in.session.user;
        let guest =
            guest.filter(|guest| guest.is_guest() && guest.row.user.user != account && !guest.is_impersonated());
        let Some(guest) = guest else { return Ok(signed_in) };
        let guest = guest.row.user.user;
        let epoch = async |user| Ok::<_, LogFault>(load::<User>(self.log.as_ref(), user).await?.state.epoch);
        let ticket = Ticket {
            guest,
            guest_epoch: epoch(guest).await?,
            account,
            account_epoch: epoch(account).await?,
            expires_at: caller.at + LIFE,
        };
        let written =
            ticket.write(&self.keyring).ok_or_else(|| LogFault::Bug("there is no key for tickets".to_owned()))?;
        signed_in.transfer = Some(Transfer { ticket: written, guest, expires_at: ticket.expires_at });
        Ok(signed_in)
    }

    /// Redeems a ticket, or with `preview` tells what it would move. Redeemed again it answers the same.
    pub async fn transfer(
        &self,
        caller: &Caller,
        presented: &Presented,
        ticket: &str,
        preview: bool,
    ) -> Result<Redeemed, AppError> {
        let account = presented.row.user.user;
        let ticket = Ticket::read(&self.keyring, ticket).filter(|ticket| ticket.account == account);
        let ticket = ticket.ok_or(Refusal::InvalidToken)?;
        if ticket.expires_at <= caller.at {
            return Err(Refusal::TokenExpired.into());
        }
        let guest = self.user_row(ticket.guest).await?.ok_or(Refusal::InvalidToken)?;
        let seen = self.view_user(&guest)?;
        if preview {
            let stands = guest.standing.is_guest();
            return if stands {
                Ok(Redeemed { guest: seen, account, done: false })
            } else {
                Err(Refusal::InvalidToken.into())
            };
        }
        let give = UserCommand::TransferGuest { to: account, epoch: Some(ticket.guest_epoch) };
        let take = UserCommand::AbsorbGuest { guest: ticket.guest, epoch: Some(ticket.account_epoch) };
        let ask = self
            .asking(caller, presented.actor())
            .then(Step::User(ticket.guest, Concurrency::Exact, give))
            .then(Step::User(account, Concurrency::Exact, take));
        match self.execute(ask).await.map_err(AppError::from) {
            Ok(_) => Ok(Redeemed { guest: seen, account, done: true }),
            // The guest became a member of its own, or went: there is nothing to be moved any more.
            Err(AppError::Refused(Refusal::NotAnonymous | Refusal::SessionNotLive)) => {
                Err(Refusal::InvalidToken.into())
            }
            Err(error) => Err(error),
        }
    }
}
