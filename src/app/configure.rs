//! Administrators change what holds while the server runs (CONTRACT 7.4).

use std::sync::Arc;

use chrysalis_domain::id::ProjectId;
use chrysalis_domain::settings::{Changes, ProviderChange, ProviderWish, SettingsCommand};
use secrecy::{ExposeSecret, SecretString};

use super::authority::Authority;
use super::{App, AppError, Caller};
use crate::keys::SealedSecret;
use crate::log::cqrs::{Concurrency, Step};
use crate::settings::Effective;

/// What is to become of one identity provider. What is not given stays.
#[derive(Clone, Debug)]
pub struct ProviderForm {
    pub id: String,
    pub change: ProviderChange,
    pub client_secret: Option<SecretString>,
}

impl App {
    /// Saves all of it or nothing. What it answers is so from now on, here at once and elsewhere for whatever is decided.
    pub async fn save_settings(
        &self,
        caller: &Caller,
        authority: &Authority,
        wished: Changes,
        providers: Vec<ProviderForm>,
    ) -> Result<Arc<Effective>, AppError> {
        let (mut sealed, mut keys, mut wishes) = (Vec::new(), Vec::new(), Vec::new());
        for ProviderForm { id, change, client_secret } in providers {
            let secret = match client_secret {
                Some(text) => {
                    let text = text.expose_secret();
                    let made = SealedSecret::seal(&self.keyring, text, self.entropy.as_ref(), caller.at)?;
                    sealed.push(made.record);
                    keys.push(made.key);
                    Some(made.secret)
                }
                None => None,
            };
            let startup = self.settings.startup_provider(&id);
            wishes.push(ProviderWish { provider: id, change, secret, startup });
        }
        let startup = Box::new(self.settings.startup().clone());
        let command = SettingsCommand::Save { wished: Box::new(wished), startup, providers: wishes };
        let mut ask = self.asking(caller, authority.actor()).then(on_settings(command));
        (ask.sealed, ask.person_keys) = (sealed, keys);
        self.execute(ask).await?;
        Ok(self.settings.fresh().await?)
    }

    pub async fn remove_provider(
        &self,
        caller: &Caller,
        authority: &Authority,
        id: String,
    ) -> Result<Arc<Effective>, AppError> {
        let startup = self.settings.startup_provider(&id);
        let command = SettingsCommand::RemoveProvider { provider: id, startup };
        self.execute(self.asking(caller, authority.actor()).then(on_settings(command))).await?;
        Ok(self.settings.fresh().await?)
    }
}

fn on_settings(command: SettingsCommand) -> Step {
    Step::Settings(ProjectId::DEFAULT, Concurrency::Exact, command)
}
