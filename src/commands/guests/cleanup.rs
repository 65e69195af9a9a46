//! Guests who stay away, and their clean-up: in the operator's own name, with nothing but the store.

use std::io::Write;
use std::process::ExitCode;

use chrysalis::app::admin::guests::list::{GuestPage, ListGuests};
use chrysalis::app::admin::guests::{Guest, Guests, Policy, Stage};
use chrysalis::app::{AppError, Refusal};
use chrysalis::followers::models;
use chrysalis::serve::StartError;
use chrysalis::settings;
use chrysalis::wire::json_time::JsonTime;
use chrysalis_domain::Timestamp;
use chrysalis_domain::id::UserId;
use clap::{Subcommand, ValueEnum};

use crate::commands::values::time;
use crate::commands::{Here, Outcome, in_words};

/// Guests who stay away.
#[derive(Debug, Subcommand)]
pub enum Words {
    /// Who has been away for longest, and when each goes; one line each.
    List {
        /// Only those of whom this is so, in the order in which it ends.
        #[arg(long, value_enum)]
        state: Option<State>,
        /// At most this many.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Exempts a guest from clean-up until a date.
    Hold {
        user: UserId,
        /// a date, a time of RFC 3339, or epoch milliseconds.
        #[arg(long, value_parser = time)]
        until: Timestamp,
        /// Why; kept as personal data of the guest's.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Ends a hold.
    Release { user: UserId },
    /// Brings back a guest whom a clean-up took out of use, until it is deleted for good.
    Undo { user: UserId },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum State {
    Quiet,
    /// It was told that it goes.
    Expiring,
    Held,
    /// Out of use by a clean-up, and can be brought back.
    Disabled,
}

/// Guests that are held in memory at a time.
const PAGE: u32 = 1_000;

pub async fn run(here: Here, words: Words) -> Outcome {
    let Here { config, store, .. } = &here;
    store.fit().await?;
    let max_age = settings::look(store.as_ref(), config).await?.anonymous.max_age;
    let (notice, undo) = (config.anonymous.notice, config.anonymous.undo);
    let (at, policy) = (here.now(), Policy { max_age, notice, undo });
    let guests = Guests::by(here.acting(at), policy);
    match words {
        Words::List { state, limit } => {
            models::fold_the_rest(store.clone()).await?;
            list(&guests, state.map(Into::into), limit).await?;
        }
        Words::Hold { user, until, .. } if until <= at => {
            return Err(StartError::Other(format!("{user} can't be held until a time that is over")));
        }
        Words::Hold { user, until, reason } => {
            tell(&guests.hold(user, until, reason.as_deref()).await.map_err(failed)?)?;
        }
        Words::Release { user } => tell(&guests.release(user).await.map_err(failed)?)?,
        Words::Undo { user } => tell(&guests.undo(user).await.map_err(failed)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(guests: &Guests<'_>, stage: Option<Stage>, limit: u32) -> Result<(), StartError> {
    let mut asked = ListGuests { stage, active_before: None, after: None, limit: limit.min(PAGE) };
    let mut left = limit as usize;
    loop {
        let GuestPage { guests: page, after } = guests.list(&asked).await.map_err(failed)?;
        for guest in page.iter().take(left) {
            tell(guest)?;
        }
        left = left.saturating_sub(page.len());
        asked.after = after;
        if asked.after.is_none() || left == 0 {
            return Ok(());
        }
    }
}

/// One line. Whoever reads may have seen enough: that is no panic.
fn tell(guest: &Guest) -> std::io::Result<()> {
    let Guest { row, outlook } = guest;
    let mut line = format!("{}  {:<8}  last active {}", row.user, outlook.stage.name(), JsonTime(row.last_active_at));
    let times = [
        ("announced for", outlook.expires_at),
        ("held until", outlook.held_until),
        ("can be undone until", outlook.final_at),
        ("goes", outlook.due_at),
    ];
    for (what, time) in times {
        if let Some(time) = time {
            line += &format!("  {what} {}", JsonTime(time));
        }
    }
    if let Some(reason) = &outlook.hold_reason {
        line += &format!("  {reason:?}");
    }
    writeln!(std::io::stdout().lock(), "{line}")
}

fn failed(error: AppError) -> StartError {
    let said = match error {
        AppError::Refused(Refusal::UserUnknown) => "there is no such user".to_owned(),
        AppError::Refused(Refusal::NotAnonymous) => "the user is a member: members are never cleaned up".to_owned(),
        AppError::Refused(Refusal::GuestNotDisabled) => "no clean-up took this guest out of use".to_owned(),
        error => return in_words(error),
    };
    StartError::Other(said)
}

impl From<State> for Stage {
    fn from(state: State) -> Self {
        match state {
            State::Quiet => Stage::Quiet,
            State::Expiring => Stage::Expiring,
            State::Held => Stage::Held,
            State::Disabled => Stage::Disabled,
        }
    }
}
