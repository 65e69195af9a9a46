//! `chrysalis config`: what holds, or would.

use std::io::Write;
use std::process::ExitCode;

use chrysalis::config::keys;
use clap::Subcommand;

use super::Outcome;
use crate::flags::Flags;

#[derive(Debug, Subcommand)]
pub enum Words {
    /// Reports every mistake, or what holds and where it came from.
    Check,
    /// Every key there is, as a table.
    Keys,
}

pub fn run(flags: &Flags, words: Words) -> Outcome {
    match words {
        Words::Check => check(flags),
        Words::Keys => table(),
    }
}

fn check(flags: &Flags) -> Outcome {
    let config = flags.config()?;
    for (key, value, source) in &config.effective {
        println!("{key} = {value:?}  ({source})");
    }
    for warning in config.warnings() {
        println!("warning: {warning}");
    }
    println!("the configuration is fit to serve");
    Ok(ExitCode::SUCCESS)
}

/// The table of keys, as `docs/configuration.md` holds it.
fn table() -> Outcome {
    let mut out = std::io::stdout().lock();
    writeln!(out, "| key | environment | default | meaning |\n|---|---|---|---|")?;
    for key in keys::KEYS {
        let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
        writeln!(out, "| `{}` | `{}` | {default} | {} |", key.name, keys::variable(key.name), key.about)?;
    }
    Ok(ExitCode::SUCCESS)
}
