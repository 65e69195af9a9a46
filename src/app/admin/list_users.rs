//! Users, a page at a time: filtered, sorted, counted (CONTRACT 7.2).
//!
//! A page rests on a read model that follows the log, and may be a moment old. What makes a mistake dear, whether somebody is
//! a guest, is asked of the user's own row once more: who became a member a moment ago is on no list of guests.

use chrysalis_domain::id::UserId;
use chrysalis_domain::{EmailAddress, Timestamp};
use chrysalis_projections::listing::{self, Condition, Field, From, Listing, Order};
use chrysalis_projections::search::Texts;
use chrysalis_projections::users::UserRow;
use chrysalis_projections::{Value, directory};

use super::find_users::Found;
use crate::app::view::UserView;
use crate::app::{App, AppError};
use crate::log::{ask_one, list};

/// Users counted one by one; beyond, the count is an estimate from below unless there is a running total.
const COUNTED: u32 = 10_000;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct ListUsers {
    /// Those who hold one of these addresses, or those who hold none of them.
    pub addresses: Option<(Vec<String>, bool)>,
    pub conditions: Vec<Condition>,
    pub order: Order,
    pub from: From,
    /// At least 1.
    pub limit: u32,
}

#[derive(Clone, Debug)]
pub struct Page {
    pub users: Vec<UserView>,
    pub total: Total,
    /// Ask for the page before this user.
    pub before: Option<UserId>,
    /// Ask for the page after this user.
    pub after: Option<UserId>,
}

/// How many there are on all pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    Exactly(u64),
    AtLeast(u64),
}

impl App {
    pub async fn list_users(&self, asked: ListUsers, at: Timestamp) -> Result<Page, AppError> {
        let ListUsers { addresses, mut conditions, order, from, limit } = asked;
        if let Some((addresses, holds)) = addresses {
            let mut holders = Vec::new();
            for address in &addresses {
                holders.extend(self.user_with_address(address).await?);
            }
            conditions.push(Condition::Among(holders, holds));
        }
        let listing = Listing { conditions, order, from, limit, at };
        let Found { places: mut found, total } = if listing.is_of_texts() {
            self.find_users(&listing).await?
        } else {
            let places = list(self.log.as_ref(), listing::page(&listing), listing::read).await?;
            Found { places, total: self.total(&listing).await? }
        };
        let further = found.len() > limit as usize;
        found.truncate(limit as usize);
        if let From::Before(_) = from {
            found.reverse();
        }
        let (first, last) = (found.first().map(|row| row.id), found.last().map(|row| row.id));
        let (before, after) = match from {
            From::Start | From::Offset(0) => (None, last.filter(|_| further)),
            From::After(_) | From::Offset(_) => (first, last.filter(|_| further)),
            From::Before(_) => (first.filter(|_| further), last),
        };
        let fresh = found.into_iter().filter_map(|row| row.user);
        let fresh = fresh.filter(|user| listing.conditions.iter().all(|condition| still_holds(condition, user)));
        let mut users = fresh.map(|row| self.view_user(&row)).collect::<Result<Vec<_>, AppError>>()?;
        users.retain(|user| listing.conditions.iter().all(|condition| still_fits(condition, user)));
        Ok(Page { users, total, before, after })
    }

    /// Whoever holds an address; nobody holds what is none.
    async fn user_with_address(&self, email: &str) -> Result<Option<UserId>, AppError> {
        let Ok(email) = EmailAddress::parse(email) else { return Ok(None) };
        Ok(self.holder(&self.keyring.email_claim(&email)).await?.map(|holder| holder.user))
    }

    pub(super) async fn total(&self, listing: &Listing) -> Result<Total, AppError> {
        let running = |guest: bool| async move {
            let total = ask_one(self.log.as_ref(), &directory::TOTAL, &[Value::from(guest)]).await?.unwrap_or(0);
            Ok::<_, AppError>(u64::try_from(total).unwrap_or(0))
        };
        match listing.conditions.as_slice() {
            [] => Ok(Total::Exactly(running(true).await? + running(false).await?)),
            [Condition::Flag(Field::IsAnonymous, guest)] => Ok(Total::Exactly(running(*guest).await?)),
            _ => {
                let counted = list(self.log.as_ref(), listing::count(listing, COUNTED), |row| row.integer(0)).await?;
                let counted = counted.first().copied().and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
                Ok(if counted < u64::from(COUNTED) { Total::Exactly(counted) } else { Total::AtLeast(counted) })
            }
        }
    }
}

/// What a row of the read model said a moment ago, held against the user as they stand.
pub(super) fn still_holds(condition: &Condition, user: &UserRow) -> bool {
    match condition {
        Condition::Flag(Field::IsAnonymous, guest) => user.standing.is_guest() == *guest,
        Condition::Flag(Field::EmailVerified, verified) => user.email_verified == *verified,
        Condition::Time(Field::LastActiveAt, compare, time) => compare.holds(user.last_active_at, *time),
        _ => true,
    }
}

/// Nobody is found by what they were called a moment ago.
fn still_fits(condition: &Condition, user: &UserView) -> bool {
    match condition {
        Condition::Text(sought, fits) => sought.fits(&Texts::of(user.email.as_deref(), user.name.as_deref())) == *fits,
        _ => true,
    }
}
