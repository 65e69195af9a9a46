//! `chrysalis replay`: what was so at a time, from the store itself, while a server runs or not.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use chrysalis::app::audit::Trail;
use chrysalis::app::audit::replay::{Asked, KeyStep, Replayed, StepRow};
use chrysalis::app::audit::totals::{Census, Totals};
use chrysalis::log::times;
use chrysalis::serve::StartError;
use chrysalis::wire::json_time::JsonTime;
use chrysalis_domain::Timestamp;
use chrysalis_domain::id::UserId;
use clap::Args;
use serde::Serialize;

use super::values::time;
use super::{Here, Outcome, on_store};
use crate::flags::Flags;

#[derive(Debug, Args)]
pub struct Words {
    /// By the log's own time, what was recorded then or before: RFC 3339, a date (its first moment in UTC), or epoch
    /// milliseconds. Without it, now.
    #[arg(long, value_parser = time)]
    at: Option<Timestamp>,
    /// One user: what they were, and each step that made them so, in words.
    #[arg(long)]
    user: Option<UserId>,
    /// Every user there was, a line of JSON each, instead of figures.
    #[arg(long, conflicts_with = "user")]
    users: bool,
    /// Lines of JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// Steps of a timeline that are held in memory at a time.
const STEPS: usize = 500;

pub fn run(flags: &Flags, words: Words) -> Outcome {
    on_store(flags, async |here| replay(here, words).await)
}

async fn replay(here: Here, Words { at, user, users, json }: Words) -> Outcome {
    here.store.fit().await?;
    let trail = Trail { log: here.store.as_ref(), keyring: &here.keyring };
    // Of a time that is yet to come nothing can be said but what is so now.
    let now = times::now(here.store.as_ref(), here.now()).await?;
    let at = at.map_or(now, |at| at.min(now));
    match user {
        Some(user) => of_user(trail, user, at, json).await?,
        None => of_everybody(trail, at, users, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn of_user(trail: Trail<'_>, user: UserId, at: Timestamp, json: bool) -> Result<(), StartError> {
    let mut after = Some(0);
    let mut first = true;
    while let Some(version) = after {
        let asked = Asked { at, after: version, limit: STEPS };
        let Some(page) = trail.replay(user, asked).await? else {
            return Err(StartError::Other("there is no such user, and never was".to_owned()));
        };
        after = page.next;
        tell(page, first, json)?;
        first = false;
    }
    Ok(())
}

/// The steps, each in a line; and before the first of them what they came to.
fn tell(page: Replayed, first: bool, json: bool) -> std::io::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    if first && json {
        line(&mut out, &page.then)?;
    } else if first {
        writeln!(out, "{}", serde_json::to_string_pretty(&page.then).map_err(std::io::Error::other)?)?;
    }
    for step in &page.timeline {
        if json {
            line(&mut out, step)?;
        } else {
            let StepRow { recorded_at, version, text, .. } = step;
            writeln!(out, "{recorded_at}  {version:>4}  {text}{}", said(step)?)?;
        }
    }
    out.flush()
}

/// What was sealed with a step, as far as it can be read.
fn said(step: &StepRow) -> std::io::Result<String> {
    let mut said = String::new();
    for (what, values) in [("", &step.values), ("before: ", &step.before)] {
        if !values.is_empty() {
            said += &format!("  {what}{}", serde_json::to_string(values).map_err(std::io::Error::other)?);
        }
    }
    Ok(said)
}

async fn of_everybody(trail: Trail<'_>, at: Timestamp, users: bool, json: bool) -> Result<(), StartError> {
    let mut census = Census::at(trail, at).await?;
    while let Some(some) = census.next().await? {
        if !users {
            continue;
        }
        let mut lines = Vec::new();
        for one in some {
            if let Some(then) = census.tell(one).await? {
                line(&mut lines, &then)?;
            }
        }
        std::io::stdout().lock().write_all(&lines)?;
    }
    if users {
        return Ok(());
    }
    let keys = trail.keys(at).await?;
    let out = &mut std::io::stdout().lock();
    let at = census.time();
    if json {
        return Ok(line(out, &AtTime { at, totals: &census.totals, keys: &keys })?);
    }
    let Totals { position, users, guests, provisional, members, disabled, deleted, banned, verified, .. } =
        census.totals;
    let Totals { sessions, organizations, memberships, api_keys, .. } = census.totals;
    writeln!(out, "at {at}, after {position} events")?;
    let figures = [
        ("users that ever were", users),
        ("guests", guests),
        ("guests whose upgrade awaited proof", provisional),
        ("members", members),
        ("guests out of use", disabled),
        ("deleted", deleted),
        ("banned", banned),
        ("with a proven address", verified),
        ("live sessions", sessions),
        ("organizations", organizations),
        ("members of organizations", memberships),
        ("API keys", api_keys),
    ];
    for (what, how_many) in figures {
        writeln!(out, "{how_many:>12}  {what}")?;
    }
    for KeyStep { recorded_at, text } in &keys {
        writeln!(out, "{recorded_at}  {text}")?;
    }
    Ok(())
}

#[derive(Serialize)]
struct AtTime<'t> {
    at: JsonTime,
    #[serde(flatten)]
    totals: &'t Totals,
    /// What became of the keys of the installation.
    keys: &'t [KeyStep],
}

/// Whoever reads may have seen enough: that is no panic.
fn line(out: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    writeln!(out, "{}", serde_json::to_string(value).map_err(std::io::Error::other)?)
}
