//! A clean-up, rehearsed on the command line.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use chrysalis::app::admin::rehearse::{Rehearsal, rehearse};
use chrysalis::config::Config;
use chrysalis::followers::models;
use chrysalis::open::{Opened, open};
use chrysalis::serve::StartError;
use chrysalis::wire::json_time::JsonTime;
use chrysalis_domain::Span;

use super::ports;

/// Guests of each kind that are named.
const NAMED: u32 = 5;

/// Says what a maximum age would do.
pub async fn run(config: &Config, max_age: Span) -> Result<ExitCode, StartError> {
    let ports = ports();
    let Opened { store, .. } = open(config, &ports, Arc::new(())).await?;
    models::fold_the_rest(store.clone()).await?;
    let rehearsal = rehearse(store.as_ref(), max_age, ports.clock.now(), NAMED).await?;
    write!(std::io::stdout().lock(), "{}", told(&rehearsal))?;
    Ok(ExitCode::SUCCESS)
}

fn told(rehearsal: &Rehearsal) -> String {
    let Rehearsal { would_delete, held, disabled, hindsight, .. } = rehearsal;
    let cutoff = JsonTime(rehearsal.cutoff);
    let mut said = format!(
        "maximum age {}: guests who were last active before {cutoff}\n\
         now: {would_delete} would be deleted; {held} held, {disabled} out of use already\n",
        rehearsal.max_age
    );
    for absent in rehearsal.first.iter().chain(&rehearsal.first_held) {
        let held = absent.held_until.map(|until| format!(", held until {}", JsonTime(until)));
        said += &format!("  {}  last active {}{}\n", absent.user, JsonTime(absent.active_at), held.unwrap_or_default());
    }
    let methods: Vec<_> = hindsight.members.iter().map(|(method, count)| format!("{method} {count}")).collect();
    let methods = if methods.is_empty() { String::new() } else { format!(" ({})", methods.join(", ")) };
    said + &format!(
        "had it always been in force: {} would have been deleted\n  \
         {} came back and became members{methods}\n  {} came back as guests\n  {} did not come back\n",
        hindsight.would_have_deleted(),
        hindsight.became_members(),
        hindsight.returned,
        hindsight.stayed_away
    )
}
