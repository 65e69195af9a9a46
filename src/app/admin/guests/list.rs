//! Guests, a page at a time: the one that is away for longest first, or those of whom something was said.

use chrysalis_domain::Timestamp;
use chrysalis_projections::Value;
use chrysalis_projections::stale_guests::{ALL, Due, EXPIRING, HELD, Listed, OUT_OF_USE};
use futures_util::future::try_join_all;

use super::{Guest, Guests, Stage};
use crate::app::AppError;
use crate::log::{LogFault, ask};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct ListGuests {
    /// Only those of whom this was said, in the order in which it ends.
    pub stage: Option<Stage>,
    pub active_before: Option<Timestamp>,
    /// Behind this place.
    pub after: Option<Due>,
    /// At least 1.
    pub limit: u32,
}

#[derive(Clone, Debug)]
pub struct GuestPage {
    pub guests: Vec<Guest>,
    /// Where the next page begins; none behind the last.
    pub after: Option<Due>,
}

impl Guests<'_> {
    pub async fn list(&self, asked: &ListGuests) -> Result<GuestPage, AppError> {
        let ListGuests { stage, active_before, after, limit } = asked;
        let question = match stage {
            None | Some(Stage::Quiet) => &ALL,
            Some(Stage::Expiring) => &EXPIRING,
            Some(Stage::Held) => &HELD,
            Some(Stage::Disabled) => &OUT_OF_USE,
        };
        let (place, user) = match after {
            Some(due) => (due.place, due.user.to_string()),
            None => (Timestamp::from_millis(i64::MIN), String::new()),
        };
        let active_before = active_before.unwrap_or(Timestamp::from_millis(i64::MAX));
        let parameters = [place.into(), Value::Text(user), active_before.into(), Value::Integer(i64::from(*limit) + 1)];
        let mut found = ask(self.acting.log, question, &parameters).await?;
        // One more than the page tells that there is more.
        let further = found.len() > *limit as usize;
        found.truncate(*limit as usize);
        let after = found.last().map(|listed| listed.due).filter(|_| further);
        let guests = try_join_all(found.into_iter().map(|listed| self.listed(listed))).await?;
        let asked_for = |guest: &Guest| stage.is_none_or(|stage| guest.outlook.stage == stage);
        Ok(GuestPage { guests: guests.into_iter().flatten().filter(asked_for).collect(), after })
    }

    /// Nobody who became a member or went a moment ago, and none whom the clean-up leaves alone.
    async fn listed(&self, listed: Listed) -> Result<Option<Guest>, LogFault> {
        let Listed { said: Some(said), user: Some(row), .. } = listed else { return Ok(None) };
        if !row.standing.is_guest() {
            return Ok(None);
        }
        Ok(Some(Guest { row, outlook: self.outlook(Some(said)).await? }))
    }
}
