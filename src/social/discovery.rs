//! What an OIDC issuer says of itself: its endpoints and its keys (OpenID Connect Discovery).
//!
//! Read when first needed and kept, for all flows together: a sign-in costs no reading. A token signed with a key that is
//! not among those kept has them read again, at most once a minute. An issuer that does not answer is left alone for a
//! moment, and what was read before serves on for a day.

use std::sync::Arc;

use chrysalis_domain::{Span, Timestamp};
use http::Request;
use http::header::ACCEPT;
use openidconnect::core::CoreJsonWebKeySet;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::ProviderError;
use super::known::ClientAuthentication;
use crate::clock::Clock;
use crate::outgoing::Outgoing;

/// How long what was read is taken without asking again.
const FRESH: Span = Span::from_hours(1);
/// How long it serves while the issuer does not answer.
const STALE: Span = Span::from_days(1);
/// How long an issuer that did not answer is left alone.
const RESPITE: Span = Span::from_secs(5);
/// How often a key that is not known may have the keys read again.
const KEYS_AGAIN: Span = Span::from_secs(60);

/// One issuer.
pub(super) struct Discovery {
    issuer: String,
    /// Microsoft: the issuer that was asked is one of many at its host, and the document calls it by the tenant's id, or by a
    /// placeholder for it.
    many_tenants: bool,
    outgoing: Outgoing,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    found: Option<Arc<Found>>,
    failed: Option<(Timestamp, String)>,
}

/// What an issuer said.
pub(super) struct Found {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) userinfo_endpoint: Option<String>,
    pub(super) keys: CoreJsonWebKeySet,
    jwks_uri: String,
    announces_iss: bool,
    token_authentication: ClientAuthentication,
    read_at: Timestamp,
    keys_read_at: Timestamp,
}

/// As it is written (OpenID Connect Discovery, 3; RFC 8414; RFC 9207).
#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    #[serde(default)]
    userinfo_endpoint: Option<String>,
    jwks_uri: String,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

impl Discovery {
    pub(super) fn new(issuer: String, many_tenants: bool, outgoing: Outgoing, clock: Arc<dyn Clock>) -> Self {
        Self { issuer, many_tenants, outgoing, clock, state: Mutex::default() }
    }

    pub(super) fn is_of(&self, issuer: &str) -> bool {
        self.issuer == issuer
    }

    /// What the issuer says of itself.
    pub(super) async fn found(&self) -> Result<Arc<Found>, ProviderError> {
        // Whoever comes meanwhile waits here, and finds what was read.
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        if let Some(found) = state.found.as_ref().filter(|found| now.since(found.read_at) < FRESH) {
            return Ok(found.clone());
        }
        self.read(&mut state, now, None).await
    }

    /// The same with keys that were read after `known` were, if it is time to.
    pub(super) async fn with_newer_keys(&self, known: &Found) -> Result<Arc<Found>, ProviderError> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        if let Some(found) = &state.found {
            let newer = found.keys_read_at > known.keys_read_at;
            if newer || now.since(found.keys_read_at) < KEYS_AGAIN {
                return Ok(found.clone());
            }
        }
        let found = state.found.clone();
        self.read(&mut state, now, found).await
    }

    /// Reads the document, or with `kept` only the keys that it names.
    async fn read(
        &self,
        state: &mut State,
        now: Timestamp,
        kept: Option<Arc<Found>>,
    ) -> Result<Arc<Found>, ProviderError> {
        let serves = |found: &&Arc<Found>| now.since(found.read_at) < STALE;
        if let Some((at, why)) = &state.failed
            && now.since(*at) < RESPITE
        {
            let stale = state.found.as_ref().filter(serves).cloned();
            return stale.ok_or_else(|| ProviderError::Unreachable(why.clone()));
        }
        match self.ask(now, kept.as_deref()).await {
            Ok(found) => {
                let found = Arc::new(found);
                (state.found, state.failed) = (Some(found.clone()), None);
                Ok(found)
            }
            Err(why) => {
                tracing::warn!(issuer = self.issuer, why, "an identity provider does not tell of itself");
                state.failed = Some((self.clock.now(), why.clone()));
                state.found.as_ref().filter(serves).cloned().ok_or(ProviderError::Unreachable(why))
            }
        }
    }

    async fn ask(&self, now: Timestamp, kept: Option<&Found>) -> Result<Found, String> {
        let mut found = match kept {
            Some(Found {
                issuer,
                authorization_endpoint,
                token_endpoint,
                userinfo_endpoint,
                jwks_uri,
                announces_iss,
                token_authentication,
                read_at,
                ..
            }) => Found {
                issuer: issuer.clone(),
                authorization_endpoint: authorization_endpoint.clone(),
                token_endpoint: token_endpoint.clone(),
                userinfo_endpoint: userinfo_endpoint.clone(),
                keys: CoreJsonWebKeySet::new(Vec::new()),
                jwks_uri: jwks_uri.clone(),
                announces_iss: *announces_iss,
                token_authentication: *token_authentication,
                read_at: *read_at,
                keys_read_at: now,
            },
            None => self.document(now).await?,
        };
        found.keys = self.get(&found.jwks_uri).await?;
        Ok(found)
    }

    async fn document(&self, now: Timestamp) -> Result<Found, String> {
        let place = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let document: Document = self.get(&place).await?;
        // The document has to be about the issuer that was asked (OpenID Connect Discovery, 4.3).
        let same = document.issuer.trim_end_matches('/') == self.issuer.trim_end_matches('/');
        let a_tenant_there = self.many_tenants && is_same_origin(&document.issuer, &self.issuer);
        if !(same || a_tenant_there) {
            return Err(format!("{} says that it is {}", self.issuer, document.issuer));
        }
        let is_web = |url: &String| url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http"));
        if ![&document.authorization_endpoint, &document.token_endpoint, &document.jwks_uri].into_iter().all(is_web) {
            return Err("an endpoint is no URL".to_owned());
        }
        let methods = document.token_endpoint_auth_methods_supported;
        let posts = methods.is_some_and(|methods| {
            let takes = |method: &str| methods.iter().any(|known| known == method);
            takes("client_secret_post") && !takes("client_secret_basic")
        });
        Ok(Found {
            issuer: document.issuer,
            authorization_endpoint: document.authorization_endpoint,
            token_endpoint: document.token_endpoint,
            userinfo_endpoint: document.userinfo_endpoint.filter(is_web),
            keys: CoreJsonWebKeySet::new(Vec::new()),
            jwks_uri: document.jwks_uri,
            announces_iss: document.authorization_response_iss_parameter_supported,
            token_authentication: if posts { ClientAuthentication::Post } else { ClientAuthentication::Basic },
            read_at: now,
            keys_read_at: now,
        })
    }

    async fn get<T: DeserializeOwned>(&self, place: &str) -> Result<T, String> {
        let request = Request::get(place).header(ACCEPT, "application/json").body(Vec::new());
        let answer = self.outgoing.send(request.map_err(|error| error.to_string())?).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("answered {}", answer.status().as_u16()));
        }
        serde_json::from_slice(answer.body()).map_err(|error| error.to_string())
    }
}

fn is_same_origin(one: &str, other: &str) -> bool {
    let origin = |url: &str| url::Url::parse(url).ok().map(|url| url.origin()).filter(url::Origin::is_tuple);
    origin(one).is_some_and(|one| origin(other).is_some_and(|other| one == other))
}

impl Found {
    /// The issuer in a redirect (RFC 9207): there if it was announced, and the right one wherever it is.
    pub(super) fn check_issuer(&self, iss: Option<&str>) -> Result<(), ProviderError> {
        match iss {
            Some(iss) if iss == self.issuer => Ok(()),
            None if !self.announces_iss => Ok(()),
            _ => Err(ProviderError::IssuerMismatch),
        }
    }

    pub(super) fn token_authentication(&self) -> ClientAuthentication {
        self.token_authentication
    }
}
