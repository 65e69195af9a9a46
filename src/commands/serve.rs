//! `chrysalis serve`: the server.

use std::process::ExitCode;

use chrysalis::config::Config;
use chrysalis::serve::Server;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::{Outcome, block_on, ports};
use crate::flags::Flags;

#[derive(Debug, Args)]
pub struct Words {
    /// Shows the development outbox at /dev/mail; on loopback alone.
    #[arg(long)]
    dev: bool,
}

pub fn run(flags: &Flags, words: &Words) -> Outcome {
    let config = if words.dev { flags.config_but("dev", "on") } else { flags.config() };
    block_on(config?, serve)
}

async fn serve(config: Config) -> Outcome {
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let (public, dev) = (config.public.clone(), config.dev);
    let stop = told_to_stop()?;
    let server = Server::start(config, ports()).await?;
    tracing::info!(address = %server.address()?, %public, "Chrysalis answers; the API is described at {public}/reference");
    if dev {
        tracing::info!("mails are shown at {public}/dev/mail");
    }
    server.run(stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// Done at SIGTERM, as supervisors send it, or SIGINT, as a terminal does. Both are heard from the call on, not from the
/// first poll: who is told to stop while it starts stops politely too.
pub(super) fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
