//! Identity providers: where a browser is sent, and what its return proves (RFC 6749, 7636, 9207; OpenID Connect Core).
//!
//! One provider is asked three things: the URL to begin at, who came back with a code, and whose an id token is. All
//! answers about a person come as a [`Profile`]; what a provider says is believed as far as its kind deserves, and that is
//! decided here and nowhere else ([`Profile::email`]).

pub mod apple;
mod discovery;
mod id_token;
pub mod known;
mod plain;
mod reader;

use std::collections::BTreeMap;
use std::sync::Arc;

use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, StandardRevocableToken, StandardTokenResponse,
    TokenResponse, TokenUrl,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::config::SocialProvider;
use crate::outgoing::Outgoing;
use discovery::Discovery;
use known::{ClientAuthentication, Kind};

/// Every provider that is on; none by default.
#[derive(Clone, Default)]
pub struct Providers {
    by_id: BTreeMap<String, Arc<Provider>>,
}

/// What providers are made with.
#[derive(Clone)]
pub struct Maker {
    /// Where this server's API stands: `<public URL>/api/auth`.
    pub base: String,
    pub outgoing: Outgoing,
    pub clock: Arc<dyn Clock>,
}

/// One provider, and this server as its client.
pub struct Provider {
    settings: SocialProvider,
    endpoints: Endpoints,
    redirect_uri: String,
    outgoing: Outgoing,
    clock: Arc<dyn Clock>,
}

/// Where a provider is spoken to.
enum Endpoints {
    /// Kept for as long as the issuer stays the same.
    Discovered(Arc<Discovery>),
    Plain(plain::Places),
}

/// What keeps a flow from being anybody else's. Made anew for each.
#[derive(Clone, Debug)]
pub struct FlowSecrets {
    pub state: String,
    pub nonce: String,
    /// RFC 7636: 43 to 128 characters.
    pub verifier: String,
}

/// A browser that came back.
#[derive(Clone, Copy, Debug)]
pub struct Returned<'a> {
    pub code: &'a str,
    /// The issuer, as the redirect says it (RFC 9207).
    pub iss: Option<&'a str>,
    /// What Apple says on first consent, through the browser.
    pub user: Option<&'a str>,
    pub secrets: &'a FlowSecrets,
}

/// Who somebody is, as their provider tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub issuer: String,
    pub subject: String,
    pub email: Option<ProfileEmail>,
    pub name: Option<String>,
    pub image: Option<String>,
    /// What the person agreed to.
    pub scopes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileEmail {
    pub address: String,
    /// The provider asserts that this person reads the address, and is believed (CONTRACT 4).
    pub vouched: bool,
}

/// Why a provider did not tell. The texts are for the operator's log.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    #[error("the provider can't be reached: {0}")]
    Unreachable(String),
    #[error("the answer names another issuer")]
    IssuerMismatch,
    #[error("the code was not taken: {0}")]
    Code(String),
    #[error("the provider does not say who it is: {0}")]
    UserInfo(String),
    #[error("the id token is not good: {0}")]
    IdToken(String),
    #[error("the provider gives no id tokens")]
    NoIdTokens,
}

/// What a token endpoint says besides RFC 6749.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct TokenFields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

impl oauth2::ExtraTokenFields for TokenFields {}

type Tokens = StandardTokenResponse<TokenFields, BasicTokenType>;
type Client = oauth2::Client<
    BasicErrorResponse,
    Tokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;
/// Scopes that may be asked for in one flow, and characters of one.
const SCOPES_MAX: usize = 20;
const SCOPE_MAX: usize = 128;

impl Providers {
    pub fn get(&self, id: &str) -> Option<&Provider> {
        self.by_id.get(known::canonical(id)).map(Arc::as_ref)
    }

    /// Whether anybody can come by a provider at all.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Adds a provider, or replaces it: what its issuer said is not asked again.
    pub fn put(&mut self, maker: &Maker, settings: SocialProvider) {
        let before = self.by_id.remove(&settings.id);
        self.by_id.insert(settings.id.clone(), Arc::new(maker.make(settings, before.as_deref())));
    }

    pub fn remove(&mut self, id: &str) {
        self.by_id.remove(id);
    }
}

impl Maker {
    fn make(&self, settings: SocialProvider, before: Option<&Provider>) -> Provider {
        let endpoints = match &settings.issuer {
            Some(issuer) if settings.kind.is_discovered() => {
                Endpoints::Discovered(self.discovery(issuer, settings.kind == Kind::Microsoft, before))
            }
            _ => Endpoints::Plain(plain::Places::of(settings.kind, settings.base_url.as_ref())),
        };
        Provider {
            endpoints,
            redirect_uri: format!("{}/callback/{}", self.base, settings.id),
            settings,
            outgoing: self.outgoing.clone(),
            clock: self.clock.clone(),
        }
    }

    fn discovery(&self, issuer: &str, many_tenants: bool, before: Option<&Provider>) -> Arc<Discovery> {
        match before.map(|before| &before.endpoints) {
            Some(Endpoints::Discovered(known)) if known.is_of(issuer) => known.clone(),
            _ => Arc::new(Discovery::new(issuer.to_owned(), many_tenants, self.outgoing.clone(), self.clock.clone())),
        }
    }
}

impl Provider {
    pub fn id(&self) -> &str {
        &self.settings.id
    }

    /// Where to send the browser. `extra` scopes come on top of the usual ones.
    pub async fn authorization_url(
        &self,
        secrets: &FlowSecrets,
        extra: &[String],
        login_hint: Option<&str>,
    ) -> Result<String, ProviderError> {
        let client = self.client().await?;
        let kind = self.settings.kind;
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(secrets.verifier.clone()));
        let mut scopes: Vec<String> = match &self.settings.scopes {
            Some(scopes) => scopes.clone(),
            None => kind.scopes().iter().map(|scope| (*scope).to_owned()).collect(),
        };
        scopes.extend(extra.iter().cloned());
        let mut seen = std::collections::HashSet::new();
        scopes.retain(|scope| seen.insert(scope.clone()));
        let mut request = client
            .authorize_url(|| CsrfToken::new(secrets.state.clone()))
            .add_scopes(scopes.into_iter().map(Scope::new))
            .set_pkce_challenge(challenge);
        if kind.is_discovered() {
            request = request.add_extra_param("nonce", secrets.nonce.clone());
        }
        if kind.posts_back() {
            request = request.add_extra_param("response_mode", "form_post");
        }
        if let Some(hint) = login_hint {
            request = request.add_extra_param("login_hint", hint.to_owned());
        }
        Ok(request.url().0.into())
    }

    /// Who came back.
    pub async fn returned(&self, returned: Returned<'_>) -> Result<Profile, ProviderError> {
        if let Endpoints::Discovered(discovery) = &self.endpoints {
            discovery.found().await?.check_issuer(returned.iss)?;
        }
        let client = self.client().await?;
        let mut exchange = client.exchange_code(AuthorizationCode::new(returned.code.to_owned()));
        if self.settings.kind.takes_verifier() {
            exchange = exchange.set_pkce_verifier(PkceCodeVerifier::new(returned.secrets.verifier.clone()));
        }
        let tokens = exchange.request_async(&self.outgoing).await.map_err(|error| ProviderError::Code(told(&error)))?;
        let mut profile = match &self.endpoints {
            Endpoints::Discovered(discovery) => self.by_tokens(discovery, &tokens, &returned).await?,
            Endpoints::Plain(places) => places.profile(&self.outgoing, tokens.access_token()).await?,
        };
        profile.scopes = granted(&tokens);
        Ok(profile.bounded())
    }

    /// Whose an id token is that a native app got for itself. With a nonce, the one it was asked for with, or its SHA-256 in
    /// hexadecimal.
    pub async fn id_token(&self, token: &str, nonce: Option<&str>) -> Result<Profile, ProviderError> {
        let Endpoints::Discovered(discovery) = &self.endpoints else { return Err(ProviderError::NoIdTokens) };
        let nonce = match nonce {
            Some(nonce) => id_token::NonceRule::Native(nonce),
            None => id_token::NonceRule::Unbound,
        };
        let verified = id_token::verify(discovery, &self.settings, token, nonce, self.clock.now()).await?;
        Ok(verified.bounded())
    }

    async fn by_tokens(
        &self,
        discovery: &Discovery,
        tokens: &Tokens,
        returned: &Returned<'_>,
    ) -> Result<Profile, ProviderError> {
        let missing = || ProviderError::UserInfo("the token endpoint gave no id token".to_owned());
        let id_token = tokens.extra_fields().id_token.as_deref().ok_or_else(missing)?;
        let nonce = match self.settings.kind.repeats_nonce() {
            true => id_token::NonceRule::Exact(&returned.secrets.nonce),
            false => id_token::NonceRule::IfThere(&returned.secrets.nonce),
        };
        let mut profile = id_token::verify(discovery, &self.settings, id_token, nonce, self.clock.now())
            .await
            // Whatever it was that came, it does not say who somebody is.
            .map_err(|error| match error {
                ProviderError::IdToken(why) => ProviderError::UserInfo(why),
                error => error,
            })?;
        if profile.email.is_none() {
            let found = discovery.found().await?;
            if let Some(place) = &found.userinfo_endpoint {
                let info = reader::get(&self.outgoing, place, tokens.access_token().secret()).await?;
                profile.complete(&info, &self.settings)?;
            }
        }
        if self.settings.kind == Kind::Apple
            && let Some(name) = returned.user.and_then(reader::apple_name)
        {
            profile.name.get_or_insert(name);
        }
        Ok(profile)
    }

    async fn client(&self) -> Result<Client, ProviderError> {
        let (authorization, token, announced) = match &self.endpoints {
            Endpoints::Discovered(discovery) => {
                let found = discovery.found().await?;
                (found.authorization_endpoint.clone(), found.token_endpoint.clone(), found.token_authentication())
            }
            Endpoints::Plain(places) => {
                (places.authorization.clone(), places.token.clone(), ClientAuthentication::Basic)
            }
        };
        let unreachable = |error: oauth2::url::ParseError| ProviderError::Unreachable(error.to_string());
        let authentication = match self.settings.kind.client_authentication() {
            ClientAuthentication::Announced => announced,
            stated => stated,
        };
        let client = oauth2::Client::new(ClientId::new(self.settings.client_id.clone()))
            .set_auth_uri(AuthUrl::new(authorization).map_err(unreachable)?)
            .set_token_uri(TokenUrl::new(token).map_err(unreachable)?)
            .set_redirect_uri(RedirectUrl::new(self.redirect_uri.clone()).map_err(unreachable)?)
            .set_auth_type(match authentication {
                ClientAuthentication::Post => AuthType::RequestBody,
                ClientAuthentication::Announced | ClientAuthentication::Basic => AuthType::BasicAuth,
            });
        Ok(match self.client_secret() {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret)),
            None => client,
        })
    }

    fn client_secret(&self) -> Option<String> {
        match &self.settings.signing {
            Some(key) => key.client_secret(&self.settings.client_id, self.clock.now()),
            None => self.settings.client_secret.as_ref().map(|secret| secret.expose_secret().to_owned()),
        }
    }
}

/// Whether these can be asked for: what a caller names goes into a URL, and what comes of it into an event.
pub fn are_scopes(scopes: &[String]) -> bool {
    // RFC 6749, 3.3.
    let fits = |scope: &String| {
        (1..=SCOPE_MAX).contains(&scope.len())
            && scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    };
    scopes.len() <= SCOPES_MAX && scopes.iter().all(fits)
}

/// What was agreed to, as the token endpoint says it; some separate with commas.
fn granted(tokens: &Tokens) -> Vec<String> {
    let scopes = tokens.scopes().map(Vec::as_slice).unwrap_or_default();
    let mut granted: Vec<String> =
        scopes.iter().flat_map(|scope| scope.split(',')).filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    granted.retain(|scope| are_scopes(std::slice::from_ref(scope)));
    granted.truncate(SCOPES_MAX);
    granted
}

/// The innermost cause: what came of a code, without the code.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().chars().take(300).collect()
}

/// Longest subject and issuer, in characters (OpenID Connect Core, 2: at most 255).
const SUBJECT_MAX: usize = 255;
/// Longest name, and URL of an image.
const NAME_MAX: usize = 255;
const IMAGE_MAX: usize = 2048;

impl Profile {
    /// What is too long to be kept is left out: it is only said, not asked for.
    fn bounded(mut self) -> Self {
        let fits = |text: &String, max: usize| !text.trim().is_empty() && text.chars().count() <= max;
        self.name = self.name.map(|name| name.chars().filter(|c| !c.is_control()).collect::<String>());
        self.name = self.name.filter(|name| fits(name, NAME_MAX));
        self.image = self.image.filter(|image| {
            fits(image, IMAGE_MAX) && url::Url::parse(image).is_ok_and(|url| matches!(url.scheme(), "https" | "http"))
        });
        self
    }

    /// What a userinfo endpoint says, where the id token said nothing. It has to speak of the same person (OpenID Connect
    /// Core, 5.3.2).
    fn complete(&mut self, info: &serde_json::Value, settings: &SocialProvider) -> Result<(), ProviderError> {
        if info["sub"].as_str() != Some(self.subject.as_str()) {
            return Err(ProviderError::UserInfo("userinfo speaks of somebody else".to_owned()));
        }
        self.email = reader::email(info, settings, None);
        let text = |field: &str| info[field].as_str().map(str::to_owned);
        self.name = self.name.take().or_else(|| text("name"));
        self.image = self.image.take().or_else(|| text("picture"));
        Ok(())
    }
}

fn is_subject(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= SUBJECT_MAX && !text.chars().any(char::is_control)
}
