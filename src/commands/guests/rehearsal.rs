//! A clean-up, rehearsed.

use std::io::Write;
use std::process::ExitCode;

use chrysalis::app::admin::rehearse::{Rehearsal, rehearse};
use chrysalis::followers::models;
use chrysalis::wire::json_time::JsonTime;
use chrysalis_domain::Span;

use crate::commands::{Here, Outcome};

/// Guests of each kind that are named.
const NAMED: u32 = 5;

/// Says what a maximum age would do.
pub async fn run(here: Here, max_age: Span) -> Outcome {
    models::fold_the_rest(here.store.clone()).await?;
    let rehearsal = rehearse(here.store.as_ref(), max_age, here.now(), NAMED).await?;
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
