//! The command line. What can be said, and where it is done: each command's words stand beside its doing.

// First: its macros hold for all that stands below.
#[macro_use]
mod print;

mod commands;
mod flags;
mod progress;

use std::io;
use std::process::ExitCode;

use chrysalis::serve::StartError;
use clap::{Parser, Subcommand};

use commands::{
    Outcome, USAGE, analytics, api_key, audit, config, guests, keys, log, projections, replay, serve, sessions, users,
    verify, webhooks,
};
use flags::Flags;

/// Guest-first authentication: a guest becomes a member in place.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answers requests until it is told to stop.
    Serve(serve::Words),
    /// Holds the log against what was signed of it and sealed records against what events say of them, folds it anew and says
    /// which rows of the read models differ. Exits with 3 when anything does.
    Verify(verify::Words),
    /// What was so at a time, folded anew from the log: the whole system in figures, or a user and what made them so.
    Replay(replay::Words),
    /// The read models.
    #[command(subcommand)]
    Projections(projections::Words),
    /// The log.
    #[command(subcommand)]
    Log(log::Words),
    /// The audit trail, and what is proven of the log.
    #[command(subcommand)]
    Audit(audit::Words),
    /// Guests, in the store itself: a server may run meanwhile.
    #[command(subcommand)]
    Guests(guests::Words),
    /// How many guests become members, from the store itself: a server may run meanwhile.
    #[command(subcommand)]
    Analytics(analytics::Words),
    /// Users one by one, in the store itself: a server may run meanwhile.
    #[command(subcommand)]
    Users(users::Words),
    /// Sessions, in the store itself: a server may run meanwhile.
    #[command(subcommand)]
    Sessions(sessions::Words),
    /// The keyring.
    #[command(subcommand)]
    Keys(keys::Words),
    /// API keys, in the store itself: a server may run meanwhile.
    #[command(subcommand)]
    ApiKey(api_key::Words),
    /// Webhook endpoints, in the store itself: a server may run meanwhile.
    #[command(subcommand)]
    Webhooks(webhooks::Words),
    /// The configuration.
    #[command(subcommand)]
    Config(config::Words),
}

fn run(command: Command, flags: &Flags) -> Outcome {
    match command {
        Command::Serve(words) => serve::run(flags, &words),
        Command::Verify(words) => verify::run(flags, &words),
        Command::Replay(words) => replay::run(flags, words),
        Command::Projections(words) => projections::run(flags, words),
        Command::Log(words) => log::run(flags, words),
        Command::Audit(words) => audit::run(flags, words),
        Command::Guests(words) => guests::run(flags, words),
        Command::Analytics(words) => analytics::run(flags, words),
        Command::Users(words) => users::run(flags, words),
        Command::Sessions(words) => sessions::run(flags, words),
        Command::Keys(words) => keys::run(flags, words),
        Command::ApiKey(words) => api_key::run(flags, words),
        Command::Webhooks(words) => webhooks::run(flags, words),
        Command::Config(words) => config::run(flags, words),
    }
}

fn main() -> ExitCode {
    let Cli { flags, command } = Cli::parse();
    let outcome = run(command, &flags);
    match outcome.and_then(|code| print::unwritten().map_or(Ok(code), |error| Err(error.into()))) {
        Ok(code) => code,
        // Whoever read the output has seen enough.
        Err(StartError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(StartError::Config(mistakes)) => {
            eprint!("{mistakes}");
            ExitCode::from(USAGE)
        }
        Err(error) => {
            eprintln!("chrysalis: {error}");
            if let StartError::Usage(_) = error { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
        }
    }
}
