//! The log on the command line: shown, followed, exported. A server may run meanwhile.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chrysalis::app::audit::events::type_named;
use chrysalis::config::Config;
use chrysalis::evidence::export::{self, Asked, Cursor, Done, ExportError, settle};
use chrysalis::evidence::frame::Filter;
use chrysalis::evidence::line::Line;
use chrysalis::evidence::output::Tally;
use chrysalis::keys::Keyring;
use chrysalis::log::{Position, Recorded, SealedRef, Store, StreamId};
use chrysalis::open::{Opened, open};
use chrysalis::serve::StartError;
use chrysalis::wire::json_time::JsonTime;
use chrysalis_domain::id::UserId;

use super::{ports, proof, told_to_stop};
use crate::{Log, Only};

/// Events that are shown at a time.
const PAGE: usize = 1_024;

pub async fn run(config: &Config, what: Log) -> Result<ExitCode, StartError> {
    let Opened { store, keyring, .. } = open(config, &ports(), Arc::new(())).await?;
    match what {
        Log::Head => writeln!(io::stdout(), "{}", store.end().await?)?,
        Log::Show { after, limit, position, only, user, readable } => {
            let (from, to) = position.map_or((Some(after.saturating_add(1)), None), |at| (Some(at), Some(at)));
            let filter = of_user(only.into(), user);
            show(store, Asked { from, to, filter, ..Asked::default() }, limit, readable).await?;
        }
        Log::Tail { from, only, user, readable } => {
            // What never comes would be waited for.
            if let Some(unknown) = only.event_type.as_deref().filter(|name| type_named(name).is_none()) {
                return Err(StartError::Other(format!("no event is called {unknown}")));
            }
            tail(store, from, &of_user(only.into(), user), readable).await?;
        }
        Log::Export { from, to, since, until, only, output, compress } => {
            let asked = Asked { from, to, since, until, filter: only.into() };
            write(store, &keyring, asked, output.as_deref(), compress).await?;
        }
        // Has a configuration for each end: see `copy`.
        Log::Copy { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(store: Arc<dyn Store>, asked: Asked, limit: usize, readable: bool) -> Result<(), StartError> {
    let header = settle(store.as_ref(), &asked).await?;
    let mut cursor = Cursor::new(store, header, 0, limit.min(PAGE));
    let mut left = limit;
    while left > 0 {
        let Some(mut events) = cursor.next().await.map_err(failed)? else { break };
        events.truncate(left);
        left -= events.len();
        print(&events, readable)?;
    }
    Ok(())
}

/// Where to follow the log from.
#[derive(Clone, Copy, Debug)]
pub enum TailFrom {
    Now,
    Position(Position),
}

pub fn tail_from(text: &str) -> Result<TailFrom, String> {
    match text.parse() {
        // No log has more.
        Ok(position) if (1..i64::MAX.cast_unsigned()).contains(&position) => Ok(TailFrom::Position(position)),
        _ if text == "now" => Ok(TailFrom::Now),
        _ => Err("write a position, from 1 on, or now".to_owned()),
    }
}

/// Between two looks at whether something came. Another process writes it: only the store knows.
const LOOK: Duration = Duration::from_millis(100);

async fn tail(store: Arc<dyn Store>, from: TailFrom, filter: &Filter, readable: bool) -> Result<(), StartError> {
    let stop = told_to_stop()?;
    tokio::pin!(stop);
    let mut after = match from {
        TailFrom::Now => store.end().await?,
        TailFrom::Position(first) => first - 1,
    };
    loop {
        let mut events = tokio::select! {
            biased;
            () = &mut stop => return Ok(()),
            events = store.read_all(after, PAGE) => events?,
        };
        if let Some(last) = events.last() {
            after = last.position;
            events.retain(|event| filter.takes(event.stream.as_str(), &event.event_type));
            print(&events, readable)?;
            continue;
        }
        tokio::select! {
            () = &mut stop => return Ok(()),
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

async fn write(
    store: Arc<dyn Store>,
    keyring: &Keyring,
    mut asked: Asked,
    output: Option<&Path>,
    compressed: bool,
) -> Result<(), StartError> {
    // Signed now, so that there is nothing in it that no signature covers.
    match proof::cover(&store, keyring).await {
        Ok(signed) => asked.to = asked.to.or(signed.map(|signed| signed.size)),
        // An auditor is to see it all the same.
        Err(error) => eprintln!("chrysalis: what is exported is not signed: {error}"),
    }
    let now = settle(store.as_ref(), &asked).await?;
    let Some(path) = output else {
        let tally = export::to_pipe(store, now, io::stdout(), compressed).await.map_err(failed)?;
        say(&tally, "written");
        return Ok(());
    };
    let Done { tally, before, finished } = export::to_file(store, now, path, compressed).await.map_err(failed)?;
    match before {
        Some(_) if finished => say(&tally, "there already, and whole"),
        Some(before) => say(&tally, &format!("there, {} of them written now", tally.count - before)),
        None => say(&tally, "written"),
    }
    Ok(())
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
