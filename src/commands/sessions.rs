//! `chrysalis sessions`: of everybody; asked for in the store itself; ended by whichever server runs on it.

use std::process::ExitCode;

use chrysalis::app::admin::end_sessions::end_sessions;
use clap::Subcommand;

use super::{Here, Outcome, in_words, on_store};
use crate::flags::Flags;

#[derive(Debug, Subcommand)]
pub enum Words {
    /// Ends every session that there is now, of everybody: a running server does it. Prints the job.
    EndAll,
}

pub fn run(flags: &Flags, words: Words) -> Outcome {
    match words {
        Words::EndAll => on_store(flags, end_all),
    }
}

async fn end_all(here: Here) -> Outcome {
    here.store.fit().await?;
    println!("{}", end_sessions(&here.acting(here.now())).await.map_err(in_words)?);
    eprintln!("a running server ends every session that there is now; `/admin/get-job` tells how far it is");
    Ok(ExitCode::SUCCESS)
}
