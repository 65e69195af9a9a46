//! Which identity providers are on: those of the start-up configuration, with what was set of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrysalis_domain::settings::{KnownProvider, Provider, Settings};
use chrysalis_domain::value::Secret;

use crate::config::SocialProvider;
use crate::keys::{Keyring, open_secret};
use crate::log::{Log, LogFault};
use crate::social::known::Kind;
use crate::social::{Maker, Providers};

pub(super) struct Catalogue {
    pub(super) log: Arc<dyn Log>,
    pub(super) keyring: Arc<Keyring>,
    pub(super) startup: BTreeMap<String, SocialProvider>,
    pub(super) maker: Maker,
}

impl Catalogue {
    /// What the start-up configuration says of a provider.
    pub(super) fn startup(&self, id: &str) -> Option<KnownProvider> {
        self.startup.get(id).map(|provider| KnownProvider {
            client_id: provider.client_id.clone(),
            tenant_id: provider.tenant_id.clone(),
            enabled: provider.enabled,
        })
    }

    /// Every id that something is known of.
    pub(super) fn ids(&self, set: &Settings) -> BTreeSet<String> {
        self.startup.keys().chain(set.providers.keys()).cloned().collect()
    }

    /// The secret that a provider is come to with: set, or else of the start-up configuration.
    pub(super) fn has_secret(&self, set: &Settings, id: &str) -> bool {
        let configured = self.startup.get(id).is_some_and(|it| it.client_secret.is_some() || it.signing.is_some());
        match set.providers.get(id) {
            Some(Provider { secret, cut, .. }) => secret.is_some() || (configured && !cut),
            None => configured,
        }
    }

    /// The providers that are on, from those that were: whatever nobody touched stays, with all that its issuer said.
    pub(super) async fn providers(
        &self,
        before: (&Settings, &Providers),
        now: &Settings,
    ) -> Result<Providers, LogFault> {
        let (set_before, mut providers) = (before.0, before.1.clone());
        for id in self.ids(now) {
            if set_before.providers.get(&id) != now.providers.get(&id) {
                self.renew(&mut providers, now, &id).await?;
            }
        }
        Ok(providers)
    }

    /// All of them, anew.
    pub(super) async fn all(&self, now: &Settings) -> Result<Providers, LogFault> {
        let mut providers = Providers::default();
        for id in self.ids(now) {
            self.renew(&mut providers, now, &id).await?;
        }
        Ok(providers)
    }

    async fn renew(&self, providers: &mut Providers, now: &Settings, id: &str) -> Result<(), LogFault> {
        match now.known(id, self.startup(id)).filter(|known| known.enabled) {
            Some(known) => {
                let settings = self.settings(id, known, now.providers.get(id)).await?;
                providers.put(&self.maker, settings);
            }
            None => providers.remove(id),
        }
        Ok(())
    }

    async fn settings(
        &self,
        id: &str,
        known: KnownProvider,
        set: Option<&Provider>,
    ) -> Result<SocialProvider, LogFault> {
        let KnownProvider { client_id, tenant_id, enabled } = known;
        let named = SocialProvider::new(id, client_id.clone(), tenant_id.clone());
        let Some(startup) = self.startup.get(id) else {
            let client_secret = self.secret(id, set.and_then(|set| set.secret)).await?;
            return Ok(SocialProvider { client_secret: client_secret.map(Into::into), ..named });
        };
        // A tenant that was set names the issuer; otherwise the configuration does.
        let moved = startup.kind == Kind::Microsoft && tenant_id != startup.tenant_id;
        let issuer = if moved { named.issuer } else { startup.issuer.clone() };
        let client_secret = match set {
            Some(Provider { secret: Some(secret), .. }) => self.secret(id, Some(*secret)).await?.map(Into::into),
            Some(Provider { cut: true, .. }) => None,
            _ => startup.client_secret.clone(),
        };
        let signing = startup.signing.clone().filter(|_| set.is_none_or(|set| !set.cut && set.secret.is_none()));
        Ok(SocialProvider { client_id, tenant_id, enabled, issuer, client_secret, signing, ..startup.clone() })
    }

    /// A record that does not open is that provider's trouble, not everybody's.
    async fn secret(&self, id: &str, secret: Option<Secret>) -> Result<Option<String>, LogFault> {
        let Some(secret) = secret else { return Ok(None) };
        match open_secret(self.log.as_ref(), &self.keyring, secret).await {
            Err(LogFault::Damaged(why)) => {
                tracing::error!(provider = id, why, "a client secret does not open; set it again");
                Ok(None)
            }
            opened => opened,
        }
    }
}
