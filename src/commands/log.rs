//! `chrysalis log`: the log shown, followed, exported, copied. A server may run meanwhile.

mod copy;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chrysalis::app::audit::events::type_named;
use chrysalis::app::audit::explain::{explain, explain_keys};
use chrysalis::evidence::export::{self, Asked, Cursor, Done, ExportError, settle};
use chrysalis::evidence::frame::Filter;
use chrysalis::evidence::line::Line;
use chrysalis::evidence::output::Tally;
use chrysalis::log::{Position, Recorded, SealedRef, Store, StreamId, read_event};
use chrysalis::serve::StartError;
use chrysalis::wire::json_time::JsonTime;
use chrysalis_domain::id::UserId;
use chrysalis_domain::{Event, Timestamp};
use clap::{Args, Subcommand};

use super::audit::proof;
use super::serve::told_to_stop;
use super::values::time;
use super::{Here, Outcome, on_store, ranges};
use crate::flags::Flags;

#[derive(Debug, Subcommand)]
pub enum Words {
    /// The last position.
    Head,
    /// Events as JSON lines, each as an export has it.
    Show {
        /// Only events after this position.
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// At most this many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Only the event at this position.
        #[arg(long, conflicts_with_all = ["after", "limit"], value_parser = clap::value_parser!(u64).range(1..))]
        position: Option<u64>,
        #[command(flatten)]
        only: Only,
        /// Only what happened to this user.
        #[arg(long, conflicts_with = "stream")]
        user: Option<UserId>,
        /// For reading, not for programs.
        #[arg(long)]
        readable: bool,
    },
    /// Follows the log: every event as it comes, or those that are asked for, until it is told to stop.
    Tail {
        /// A position to begin with, such as the one behind the last that was seen; or now.
        #[arg(long, default_value = "now", value_parser = tail_from)]
        from: TailFrom,
        #[command(flatten)]
        only: Only,
        /// Only what happens to this user.
        #[arg(long, conflicts_with = "stream")]
        user: Option<UserId>,
        /// For reading, not for programs.
        #[arg(long)]
        readable: bool,
    },
    /// Writes the log as JSON lines: what an auditor is given. See docs/audit.md. Begun again with the same file, it goes
    /// on where it was broken off.
    Export {
        /// The first position.
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        from: Option<u64>,
        /// The last position. Without it, where the log ends now.
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        to: Option<u64>,
        /// Only what was recorded at this time or later: YYYY-MM-DD, YYYY-MM-DDTHH:MM:SS.mmmZ or epoch milliseconds.
        #[arg(long, value_parser = time)]
        since: Option<Timestamp>,
        /// Only what was recorded at this time or before.
        #[arg(long, value_parser = time)]
        until: Option<Timestamp>,
        #[command(flatten)]
        only: Only,
        /// The file to write, or to go on with. Without it, standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Compresses it, by zstd.
        #[arg(long)]
        compress: bool,
    },
    /// Copies a whole store into another one, which is empty or was copied into before. Can be stopped, and run again;
    /// the source may be served from until the last time. Both ends share the secret.
    Copy(copy::Words),
}

/// Which events.
#[derive(Debug, Args)]
pub struct Only {
    /// Only events of this stream, such as user-usr_….
    #[arg(long)]
    stream: Option<String>,
    /// Only events of this type, such as GuestUpgraded.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
}

/// Events that are shown at a time.
const PAGE: usize = 1_024;

pub fn run(flags: &Flags, words: Words) -> Outcome {
    match words {
        Words::Head => on_store(flags, head),
        Words::Show { after, limit, position, only, user, readable } => {
            let (from, to) = position.map_or((Some(after.saturating_add(1)), None), |at| (Some(at), Some(at)));
            let asked = Asked { from, to, filter: of_user(only.into(), user), ..Asked::default() };
            on_store(flags, async |here| show(here.store, asked, limit, readable).await)
        }
        Words::Tail { from, only, user, readable } => {
            let filter = of_user(only.into(), user);
            on_store(flags, async |here| tail(here.store, from, &filter, readable).await)
        }
        Words::Export { from, to, since, until, only, output, compress } => {
            ranges::positions(("--from", from.or(Some(1))), ("--to", to))?;
            ranges::times(("--since", since), ("--until", until))?;
            let asked = Asked { from, to, since, until, filter: only.into() };
            on_store(flags, async |here| write(here, asked, output.as_deref(), compress).await)
        }
        Words::Copy(words) => copy::run(flags, &words),
    }
}

async fn head(here: Here) -> Outcome {
    writeln!(io::stdout(), "{}", here.store.end().await?)?;
    Ok(ExitCode::SUCCESS)
}

async fn show(store: Arc<dyn Store>, asked: Asked, limit: usize, readable: bool) -> Outcome {
    let header = settle(store.as_ref(), &asked).await?;
    let mut cursor = Cursor::new(store, header, 0, limit.min(PAGE));
    let mut left = limit;
    while left > 0 {
        let Some(mut events) = cursor.next().await.map_err(failed)? else { break };
        events.truncate(left);
        left -= events.len();
        print(&events, readable)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where to follow the log from.
#[derive(Clone, Copy, Debug)]
pub enum TailFrom {
    Now,
    Position(Position),
}

fn tail_from(text: &str) -> Result<TailFrom, String> {
    match text.parse() {
        // No log has more.
        Ok(position) if (1..i64::MAX.cast_unsigned()).contains(&position) => Ok(TailFrom::Position(position)),
        _ if text == "now" => Ok(TailFrom::Now),
        _ => Err("write a position, from 1 on, or now".to_owned()),
    }
}

/// Between two looks at whether something came. Another process writes it: only the store knows.
const LOOK: Duration = Duration::from_millis(100);

async fn tail(store: Arc<dyn Store>, from: TailFrom, filter: &Filter, readable: bool) -> Outcome {
    // What never comes would be waited for.
    if let Some(unknown) = filter.event_type.as_deref().filter(|name| type_named(name).is_none()) {
        return Err(StartError::Usage(format!("no event is called {unknown}")));
    }
    let stop = told_to_stop()?;
    tokio::pin!(stop);
    let mut after = match from {
        TailFrom::Now => store.end().await?,
        TailFrom::Position(first) => first - 1,
    };
    loop {
        let mut events = tokio::select! {
            biased;
            () = &mut stop => return Ok(ExitCode::SUCCESS),
            events = store.read_all(after, PAGE) => events?,
        };
        if let Some(last) = events.last() {
            after = last.position;
            events.retain(|event| filter.takes(event.stream.as_str(), &event.event_type));
            print(&events, readable)?;
            continue;
        }
        tokio::select! {
            () = &mut stop => return Ok(ExitCode::SUCCESS),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Whoever reads may have seen enough: that is no panic.
fn print(events: &[Recorded], readable: bool) -> io::Result<()> {
    let mut text = Vec::new();
    for event in events {
        if readable {
            text.extend(told(event).into_bytes());
        } else {
            Line::of(&event.fields(), event.leaf()).write(&mut text)?;
        }
        text.push(b'\n');
    }
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    out.flush()
}

/// An event for people, some lines long.
fn told(event: &Recorded) -> String {
    let time = |time| JsonTime(time).to_string();
    let mut told = format!(
        "{} {} {} {}\n  {} version {}",
        event.position,
        time(event.recorded_at),
        event.event_type,
        event.event_id,
        event.stream.as_str(),
        event.version,
    );
    let words = match read_event(event) {
        Ok(Some(Event::User(_, event))) => Some(explain(&event).text),
        Ok(Some(Event::Keyring(_, event))) => Some(explain_keys(&event)),
        _ => None,
    };
    told.extend(words.map(|words| format!("\n  {words}")));
    told += &format!("\n  by {}", event.actor_type);
    let parts = [
        (" ", &event.actor_id),
        (" through ", &event.actor_by),
        (", impersonated by ", &event.impersonator),
        ("\n  request ", &event.request_id),
        ("\n  because of ", &event.cause),
    ];
    for (word, text) in parts {
        if let Some(text) = text {
            told += &format!("{word}{text}");
        }
    }
    if event.occurred_at != event.recorded_at {
        told += &format!("\n  decided {}", time(event.occurred_at));
    }
    for SealedRef { id, .. } in SealedRef::decode(&event.sealed) {
        told += &format!("\n  seals {id}");
    }
    let body = serde_json::from_slice::<serde_json::Value>(&event.body).ok();
    let body = body.and_then(|body| serde_json::to_string_pretty(&body).ok());
    let body = body.unwrap_or_else(|| format!("{} bytes that are no JSON", event.body.len()));
    body.lines().for_each(|line| told += &format!("\n  {line}"));
    told
}

async fn write(here: Here, mut asked: Asked, output: Option<&Path>, compressed: bool) -> Outcome {
    // Signed now, so that there is nothing in it that no signature covers.
    match proof::cover(&here).await {
        Ok(signed) => asked.to = asked.to.or(signed.map(|signed| signed.size)),
        // An auditor is to see it all the same.
        Err(error) => eprintln!("chrysalis: what is exported is not signed: {error}"),
    }
    let store = here.store;
    let now = settle(store.as_ref(), &asked).await?;
    let Some(path) = output else {
        let tally = export::to_pipe(store, now, io::stdout(), compressed).await.map_err(failed)?;
        say(&tally, "written");
        return Ok(ExitCode::SUCCESS);
    };
    let Done { tally, before, finished } = export::to_file(store, now, path, compressed).await.map_err(failed)?;
    match before {
        Some(_) if finished => say(&tally, "there already, and whole"),
        Some(before) => say(&tally, &format!("there, {} of them written now", tally.count - before)),
        None => say(&tally, "written"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Beside the export, which may go to standard output.
fn say(tally: &Tally, how: &str) {
    let Tally { count, last, .. } = tally;
    eprintln!("{count} events up to position {last} are {how}");
}

fn failed(error: ExportError) -> StartError {
    match error {
        ExportError::Io(error) => StartError::Io(error),
        ExportError::Log(fault) => StartError::Log(fault),
        error => StartError::Other(error.to_string()),
    }
}

fn of_user(filter: Filter, user: Option<UserId>) -> Filter {
    let stream = user.map(|user| StreamId::user(user).as_str().to_owned());
    Filter { stream: stream.or(filter.stream), ..filter }
}

impl From<Only> for Filter {
    fn from(Only { stream, event_type }: Only) -> Self {
        Self { stream, event_type }
    }
}
