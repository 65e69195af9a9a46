//! What administrators set over the start-up configuration: one stream for each project.
//!
//! The state holds only what was set. What the start-up configuration says is a fact that a command brings along: a wish
//! for what holds already changes nothing, and is not written down.

pub mod event;
pub mod values;

#[cfg(test)]
mod scenarios;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decider::decider;
use crate::id::ProjectId;
use crate::time::Timestamp;
use crate::value::Secret;
pub use event::{ProviderChange, SettingsEvent};
use event::{SettingsChanged, SocialProviderRemoved, SocialProviderSaved};
pub use values::{Changes, Mistake, Values};

/// Providers that may be configured.
const PROVIDERS_MAX: usize = 64;

/// What was set over the start-up configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub changes: Changes,
    pub providers: BTreeMap<String, Provider>,
}

/// What was set of one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    pub set: ProviderChange,
    pub secret: Option<Secret>,
    /// It was removed once: client, tenant and secret of the start-up configuration count no longer.
    pub cut: bool,
    pub updated_at: Timestamp,
}

/// What is known of one provider, its secret aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownProvider {
    pub client_id: String,
    pub tenant_id: Option<String>,
    pub enabled: bool,
}

/// What is wished of one provider.
#[derive(Clone, Debug)]
pub struct ProviderWish {
    pub provider: String,
    pub change: ProviderChange,
    /// Given anew; without one, the secret of before stays.
    pub secret: Option<Secret>,
    /// As the start-up configuration has it.
    pub startup: Option<KnownProvider>,
}

#[derive(Clone, Debug)]
pub enum SettingsCommand {
    Save { wished: Box<Changes>, startup: Box<Values>, providers: Vec<ProviderWish> },
    RemoveProvider { provider: String, startup: Option<KnownProvider> },
}

/// Why settings stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsRefusal {
    #[error("{0} may not be that")]
    Unfit(&'static str),
    #[error("there is no such provider")]
    UnknownProvider,
    #[error("a new provider needs a client id")]
    NoClientId,
    #[error("there are as many providers as there may be")]
    TooManyProviders,
}

decider!(Settings: Settings(ProjectId), SettingsCommand, SettingsEvent, SettingsRefusal, format 1);

impl Settings {
    /// What follows from the command; nothing at all when what it asks for is so already.
    ///
    /// # Errors
    /// A refusal. State is unchanged then.
    pub fn decide(&self, command: SettingsCommand, at: Timestamp) -> Result<Vec<SettingsEvent>, SettingsRefusal> {
        match command {
            SettingsCommand::Save { wished, startup, providers } => {
                let mut events = self.change(*wished, &startup, at)?;
                let mut settings = self.clone();
                for wish in providers {
                    let saved = settings.save(wish, at)?;
                    saved.iter().for_each(|event| settings.apply(event));
                    events.extend(saved);
                }
                Ok(events)
            }
            SettingsCommand::RemoveProvider { provider, startup } => {
                self.known(&provider, startup).ok_or(SettingsRefusal::UnknownProvider)?;
                Ok(vec![SocialProviderRemoved { provider, at }.into()])
            }
        }
    }

    fn change(&self, wished: Changes, startup: &Values, at: Timestamp) -> Result<Vec<SettingsEvent>, SettingsRefusal> {
        if let Some(mistake) = wished.mistakes().first() {
            return Err(SettingsRefusal::Unfit(mistake.name));
        }
        let (before, after) = startup.with(&self.changes).apart(wished);
        if after == Changes::default() {
            return Ok(Vec::new());
        }
        Ok(vec![SettingsChanged { before, after, at }.into()])
    }

    fn save(&self, wish: ProviderWish, at: Timestamp) -> Result<Vec<SettingsEvent>, SettingsRefusal> {
        let ProviderWish { provider, change, secret, startup } = wish;
        let known = self.known(&provider, startup);
        if known.is_none() && change.client_id.is_none() {
            return Err(SettingsRefusal::NoClientId);
        }
        let set = |provider: &&Provider| provider.set.client_id.is_some();
        if known.is_none() && self.providers.values().filter(set).count() >= PROVIDERS_MAX {
            return Err(SettingsRefusal::TooManyProviders);
        }
        let (before, after) = apart(known, change);
        if after == ProviderChange::default() && secret.is_none() {
            return Ok(Vec::new());
        }
        Ok(vec![SocialProviderSaved { provider, before, after, secret, at }.into()])
    }

    /// The provider as it is, with what the start-up configuration says of it.
    pub fn known(&self, provider: &str, startup: Option<KnownProvider>) -> Option<KnownProvider> {
        let Some(Provider { set, cut, .. }) = self.providers.get(provider) else { return startup };
        let startup = startup.filter(|_| !cut);
        let (client_id, tenant_id, enabled) = match startup {
            Some(known) => (Some(known.client_id), known.tenant_id, known.enabled),
            None => (None, None, true),
        };
        Some(KnownProvider {
            client_id: set.client_id.clone().or(client_id)?,
            tenant_id: set.tenant_id.clone().unwrap_or(tenant_id),
            enabled: set.enabled.unwrap_or(enabled),
        })
    }

    pub fn apply(&mut self, event: &SettingsEvent) {
        match event {
            SettingsEvent::SettingsChanged(e) => self.changes.merge(&e.after),
            SettingsEvent::SocialProviderSaved(e) => {
                let provider = self.providers.entry(e.provider.clone()).or_default();
                provider.set.merge(&e.after);
                provider.secret = e.secret.or(provider.secret);
                provider.updated_at = e.at;
            }
            SettingsEvent::SocialProviderRemoved(e) => {
                let gone = Provider { cut: true, updated_at: e.at, ..Provider::default() };
                self.providers.insert(e.provider.clone(), gone);
            }
        }
    }
}

impl ProviderChange {
    fn merge(&mut self, later: &ProviderChange) {
        let ProviderChange { client_id, tenant_id, enabled } = later.clone();
        self.client_id = client_id.or(self.client_id.take());
        self.tenant_id = tenant_id.or(self.tenant_id.take());
        self.enabled = enabled.or(self.enabled);
    }
}

/// Of what is wished, that which differs: as it is, and as it would be. Of somebody new, everything does.
fn apart(known: Option<KnownProvider>, wished: ProviderChange) -> (ProviderChange, ProviderChange) {
    let Some(known) = known else { return (ProviderChange::default(), wished) };
    let after = ProviderChange {
        client_id: wished.client_id.filter(|id| *id != known.client_id),
        tenant_id: wished.tenant_id.filter(|id| *id != known.tenant_id),
        enabled: wished.enabled.filter(|enabled| *enabled != known.enabled),
    };
    let before = ProviderChange {
        client_id: after.client_id.as_ref().map(|_| known.client_id),
        tenant_id: after.tenant_id.as_ref().map(|_| known.tenant_id),
        enabled: after.enabled.map(|_| known.enabled),
    };
    (before, after)
}
