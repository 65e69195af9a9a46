//! Sessions of everybody, from the command line: asked for in the store itself; ended by whichever server runs on it.

use std::process::ExitCode;
use std::sync::Arc;

use chrysalis::app::acting::Acting;
use chrysalis::app::admin::end_sessions::end_sessions;
use chrysalis::config::Config;
use chrysalis::open::{Opened, open};
use chrysalis::serve::StartError;

use super::{in_words, ports};
use crate::Sessions;

pub async fn run(config: &Config, what: Sessions) -> Result<ExitCode, StartError> {
    let ports = ports();
    let Opened { store, keyring, .. } = open(config, &ports, Arc::new(())).await?;
    store.fit().await?;
    let acting = Acting::operator(store.as_ref(), &keyring, ports.entropy.as_ref(), ports.clock.now());
    match what {
        Sessions::EndAll => {
            println!("{}", end_sessions(&acting).await.map_err(in_words)?);
            eprintln!("a running server ends every session that there is now; `/admin/get-job` tells how far it is");
        }
    }
    Ok(ExitCode::SUCCESS)
}
