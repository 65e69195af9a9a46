//! What the configuration has written once a node begins: its first API key, and the role of administrators whom it names.
//! Where the store takes no writes then, the node answers, is not ready, and writes it as soon as the store does.

use std::sync::atomic::{AtomicBool, Ordering};

use secrecy::ExposeSecret;

use super::acting::Acting;
use super::api_keys::ApiKeys;
use super::{App, AppError};
use crate::keys::ApiSecret;

/// How far that is.
#[derive(Debug, Default)]
pub struct Begun {
    first_key: AtomicBool,
    all: AtomicBool,
}

/// Something of it that can't be written, by no waiting.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {error}")]
pub struct Unwritten {
    key: &'static str,
    error: AppError,
}

impl App {
    pub fn has_begun(&self) -> bool {
        self.begun.all.load(Ordering::Acquire)
    }

    /// Writes what is not written yet; `false` where the store does not take it for the time being.
    ///
    /// # Errors
    /// What can't be written, whoever tries again.
    pub async fn begin(&self) -> Result<bool, Unwritten> {
        let written = async {
            self.take_first_key().await.map_err(|error| Unwritten { key: "bootstrap_api_key", error })?;
            self.appoint_all().await.map_err(|error| Unwritten { key: "admin.emails", error })
        };
        match written.await {
            Ok(()) => {
                self.begun.all.store(true, Ordering::Release);
                Ok(true)
            }
            Err(Unwritten { error: AppError::Unavailable { .. } | AppError::SettingsMoved, .. }) => Ok(false),
            Err(unwritten) => Err(unwritten),
        }
    }

    /// Takes the API key that the configuration gives, while there never was one.
    async fn take_first_key(&self) -> Result<(), AppError> {
        let given = self.config.bootstrap_api_key.as_ref();
        let Some(secret) = given.and_then(|given| ApiSecret::parse(given.expose_secret())) else { return Ok(()) };
        if self.begun.first_key.load(Ordering::Acquire) {
            return Ok(());
        }
        let at = self.clock.now();
        let acting = Acting::operator(self.log.as_ref(), &self.keyring, self.entropy.as_ref(), at);
        if ApiKeys::of_operator(acting).take_first(&secret).await? {
            tracing::info!("the first API key is the one of the configuration");
        } else {
            tracing::info!("bootstrap_api_key is not taken: there are keys, or were");
        }
        self.begun.first_key.store(true, Ordering::Release);
        Ok(())
    }
}
