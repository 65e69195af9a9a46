//! The keyring, from the command line: looked at, and added to. What was done stands in the log.

use std::process::ExitCode;
use std::sync::Arc;

use chrysalis::app::acting::Acting;
use chrysalis::app::keyring;
use chrysalis::config::Config;
use chrysalis::keys::Purpose;
use chrysalis::open::{Opened, open};
use chrysalis::serve::{Ports, StartError};
use chrysalis::wire::json_time::JsonTime;
use secrecy::ExposeSecret;

use super::{epochs, in_words, ports};
use crate::Keys;

pub async fn run(config: &Config, what: Keys) -> Result<ExitCode, StartError> {
    let ports = ports();
    let opened = open(config, &ports, Arc::new(())).await?;
    match what {
        Keys::List => {
            for key in opened.store.keys().await? {
                let ended =
                    key.retired_at.map_or_else(String::new, |at| format!("  makes nothing since {}", JsonTime(at)));
                println!("{:<14} {:>3}  made {}{ended}", key.purpose, key.id, JsonTime(key.created_at));
            }
            Ok(ExitCode::SUCCESS)
        }
        Keys::Rotate { purpose, wait } if purpose == Purpose::PersonKek.name() => {
            epochs::rotate(&opened, &ports, wait).await
        }
        Keys::Rotate { purpose, .. } => rotate(&opened, &ports, &purpose).await,
    }
}

async fn rotate(opened: &Opened, ports: &Ports, purpose: &str) -> Result<ExitCode, StartError> {
    let names = || Purpose::ALL.map(Purpose::name).join(", ");
    let purpose = Purpose::from_name(purpose)
        .ok_or_else(|| StartError::Other(format!("there is no purpose {purpose:?}; there are {}", names())))?;
    let Opened { store, keyring, secret } = opened;
    let (secret, entropy) = (secret.expose_secret().as_bytes(), ports.entropy.as_ref());
    let id = keyring.rotate(store.as_ref(), secret, purpose, entropy, ports.clock.now()).await?;
    tell(opened, ports).await?;
    println!("{} has key {id}; restart the server to use it", purpose.name());
    Ok(ExitCode::SUCCESS)
}

/// Says in the log what became of the keyring.
pub(super) async fn tell(opened: &Opened, ports: &Ports) -> Result<(), StartError> {
    let Opened { store, keyring, .. } = opened;
    let acting = Acting::operator(store.as_ref(), keyring, ports.entropy.as_ref(), ports.clock.now());
    keyring::tell(&acting).await.map_err(in_words)
}
