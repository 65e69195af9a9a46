//! Users found or sorted by what they are called: by the read model that is readable, where it is on.
//!
//! What few have is picked out by an index. What many have is on the first rows that one looks at; so those are looked at
//! first, and never more than a bound: a question that would take longer is refused, not half answered.

use chrysalis_domain::Span;
use chrysalis_domain::id::UserId;
use chrysalis_projections::listing::{self, Condition, Field, From, Listing, Order, Place};
use chrysalis_projections::search::{self, Sought, TextField};
use chrysalis_projections::table::Row;
use chrysalis_projections::{Value, model};

use super::list_users::Total;
use crate::app::{App, AppError, Refusal};
use crate::log::{ask_one, list};

/// Rows that are looked at before any index is asked.
const GLANCE: u32 = 4_000;
/// Users whom a text may fit and be picked out by it.
const FEW: u32 = 5_000;
/// Rows that are looked at at the most.
const LOOKED_AT: u32 = 100_000;
/// When to ask again while the read model is being built.
const BUILT_SOON: Span = Span::from_secs(5);

/// A page, and one row more where another follows.
pub(super) struct Found {
    pub places: Vec<Place>,
    pub total: Total,
}

impl App {
    pub(super) async fn find_users(&self, listing: &Listing) -> Result<Found, AppError> {
        self.can_search().await?;
        if let Some(found) = self.glance(listing).await? {
            return Ok(found);
        }
        let listing = self.picked(listing).await?;
        let places = match listing.order.by {
            Field::Text(field) => self.sorted(&listing, field).await?,
            _ => self.fitting(&listing).await?,
        };
        let every = Listing { order: Order::NEWEST_FIRST, from: From::Start, ..listing.clone() };
        let total = if !every.is_of_texts() {
            self.total(&every).await?
        } else if places.len() > listing.limit as usize {
            Total::AtLeast(passed(&listing) + places.len() as u64)
        } else {
            Total::Exactly(self.looked_at(&every, LOOKED_AT).await?.fit)
        };
        Ok(Found { places, total })
    }

    async fn can_search(&self) -> Result<(), AppError> {
        if !self.config.search {
            return Err(Refusal::SearchDisabled.into());
        }
        let name = [Value::Static(search::MODEL.name)];
        let stands = ask_one(self.log.as_ref(), &model::FOLDED_TO, &name).await?.unwrap_or(0);
        // Nobody is found in a table that is not filled yet, and that is not to be said of anybody.
        if stands == 0 && *self.log.head().borrow() > 0 {
            return Err(AppError::Unavailable { retry_after: BUILT_SOON });
        }
        Ok(())
    }

    /// A whole page among the first rows, where what is searched for is as frequent as that.
    async fn glance(&self, listing: &Listing) -> Result<Option<Found>, AppError> {
        if !listing.conditions.iter().any(|condition| matches!(condition, Condition::Text(_, true))) {
            return Ok(None);
        }
        let places = list(self.log.as_ref(), listing::walk(listing, GLANCE), listing::read).await?;
        if places.len() <= listing.limit as usize {
            return Ok(None);
        }
        let counted = self.looked_at(listing, GLANCE).await?;
        let seen = passed(listing) + places.len() as u64;
        let total =
            if counted.rows < GLANCE { Total::Exactly(counted.fit) } else { Total::AtLeast(counted.fit.max(seen)) };
        Ok(Some(Found { places, total }))
    }

    /// Texts that fit few stand for those few from here on.
    async fn picked(&self, listing: &Listing) -> Result<Listing, AppError> {
        let mut conditions = Vec::with_capacity(listing.conditions.len());
        for condition in &listing.conditions {
            let few = match condition {
                Condition::Text(sought, true) => self.few(sought).await?,
                _ => None,
            };
            conditions.push(few.map_or_else(|| condition.clone(), |users| Condition::Among(users, true)));
        }
        Ok(Listing { conditions, ..listing.clone() })
    }

    /// Whom a text fits, if they are few and an index knows of them.
    async fn few(&self, sought: &Sought) -> Result<Option<Vec<UserId>>, AppError> {
        let user = |row: &dyn Row| row.text(0)?.parse::<UserId>().ok();
        let found = match sought.in_order(FEW + 1) {
            Some(asked) => Some(list(self.log.as_ref(), asked, user).await?),
            None => self.log.by_part(sought, FEW as usize + 1).await?,
        };
        Ok(found.filter(|users| users.len() <= FEW as usize))
    }

    /// A page in the order of texts: behind those who have one come those who have none.
    async fn sorted(&self, listing: &Listing, field: TextField) -> Result<Vec<Place>, AppError> {
        let mut places = self.fitting(listing).await?;
        let left = (listing.limit as usize).checked_sub(places.len());
        let Some(left) = left.and_then(|left| u32::try_from(left).ok()) else { return Ok(places) };
        let with_one = match places.len() as u64 {
            0 => self.count(listing).await?,
            some => passed(listing) + some,
        };
        let mut rest = Listing { limit: left, ..listing.clone() };
        rest.conditions.push(Condition::Without(field));
        rest.order.by = Field::CreatedAt;
        rest.from = From::Offset(u32::try_from(passed(listing).saturating_sub(with_one)).unwrap_or(u32::MAX));
        places.extend(self.fitting(&rest).await?);
        Ok(places)
    }

    /// How many there are, as far as they were passed by.
    async fn count(&self, listing: &Listing) -> Result<u64, AppError> {
        let passed = u32::try_from(passed(listing)).unwrap_or(u32::MAX);
        if passed == 0 {
            return Ok(0);
        }
        if listing.conditions.iter().any(Condition::is_looked_up) {
            return Ok(self.looked_at(listing, LOOKED_AT).await?.fit);
        }
        let counted = list(self.log.as_ref(), listing::count(listing, passed), |row| row.integer(0)).await?;
        Ok(counted.first().map_or(0, |count| count.cast_unsigned()))
    }

    /// The rows of a page that fit, and one more where another follows.
    async fn fitting(&self, listing: &Listing) -> Result<Vec<Place>, AppError> {
        let looked_up = listing.conditions.iter().any(Condition::is_looked_up);
        let asked = if looked_up { listing::walk(listing, LOOKED_AT) } else { listing::page(listing) };
        let places = list(self.log.as_ref(), asked, listing::read).await?;
        let whole = !looked_up || places.len() > listing.limit as usize;
        // Beyond the bound there may be more of them.
        if whole || self.looked_at(listing, LOOKED_AT).await?.rows < LOOKED_AT {
            Ok(places)
        } else {
            Err(Refusal::SearchTooWide.into())
        }
    }

    async fn looked_at(&self, listing: &Listing, most: u32) -> Result<LookedAt, AppError> {
        let read = |row: &dyn Row| {
            let (rows, fit) = (row.integer(0)?, row.integer(1)?);
            Some(LookedAt { rows: u32::try_from(rows).ok()?, fit: fit.cast_unsigned() })
        };
        let counted = list(self.log.as_ref(), listing::count_walk(listing, most), read).await?;
        Ok(counted.into_iter().next().unwrap_or(LookedAt { rows: 0, fit: 0 }))
    }
}

/// Rows that were looked at, and how many of them fit.
struct LookedAt {
    rows: u32,
    fit: u64,
}

/// How many come before the page.
fn passed(listing: &Listing) -> u64 {
    match listing.from {
        From::Offset(rows) => rows.into(),
        From::Start | From::After(_) | From::Before(_) => 0,
    }
}
