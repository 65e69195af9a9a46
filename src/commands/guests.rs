//! Guests and their clean-up, from the command line: in the operator's own name, with nothing but the store.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use chrysalis::app::acting::Acting;
use chrysalis::app::admin::guests::list::{GuestPage, ListGuests};
use chrysalis::app::admin::guests::{Guest, Guests, Policy, Stage};
use chrysalis::app::{AppError, Refusal};
use chrysalis::config::Config;
use chrysalis::followers::models;
use chrysalis::open::{Opened, open};
use chrysalis::serve::StartError;
use chrysalis::settings;
use chrysalis::wire::json_time::JsonTime;

use super::{in_words, ports};
use crate::{Cleanup, State};

/// Guests that are held in memory at a time.
const PAGE: u32 = 1_000;

pub async fn run(config: &Config, what: Cleanup) -> Result<ExitCode, StartError> {
    let ports = ports();
    let Opened { store, keyring, .. } = open(config, &ports, Arc::new(())).await?;
    store.fit().await?;
    let max_age = settings::look(store.as_ref(), config).await?.anonymous.max_age;
    let (notice, undo) = (config.anonymous.notice, config.anonymous.undo);
    let (at, policy) = (ports.clock.now(), Policy { max_age, notice, undo });
    let guests = Guests::by(Acting::operator(store.as_ref(), &keyring, ports.entropy.as_ref(), at), policy);
    match what {
        Cleanup::List { state, limit } => {
            models::fold_the_rest(store.clone()).await?;
            list(&guests, state.map(Into::into), limit).await?;
        }
        Cleanup::Hold { user, until, .. } if until <= at => {
            return Err(StartError::Other(format!("{user} can't be held until a time that is over")));
        }
        Cleanup::Hold { user, until, reason } => {
            tell(&guests.hold(user, until, reason.as_deref()).await.map_err(failed)?)?;
        }
        Cleanup::Release { user } => tell(&guests.release(user).await.map_err(failed)?)?,
        Cleanup::Undo { user } => tell(&guests.undo(user).await.map_err(failed)?)?,
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
