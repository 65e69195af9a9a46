//! An identity provider of the test's own: it follows the protocol, and misbehaves where it is told to.
//!
//! What the certified provider can't be brought to do is tested against this one: other people's tokens, garbage, silence.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrysalis::clock::{Clock, MockClock};
use http::{HeaderMap, StatusCode};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;
use url::Url;

pub const CLIENT: &str = "client-of-the-tests";
pub const SECRET: &str = "secret of the tests: +/&";

/// What the provider does wrong.
#[derive(Clone, Debug, Default)]
pub struct Mischief {
    /// Claims of id tokens that are replaced; null removes one.
    pub claims: HashMap<&'static str, Value>,
    /// Another algorithm in the header, or another key than is published.
    pub alg: Option<&'static str>,
    pub unpublished_key: bool,
    /// What the token endpoint answers instead.
    pub token: Option<(u16, String)>,
    pub userinfo: Option<(u16, String)>,
    pub discovery: Option<(u16, String)>,
    /// The issuer that a tenant's document is about.
    pub names: Option<&'static str>,
    /// Nothing is answered.
    pub silent: bool,
    /// Codes are taken any number of times.
    pub codes_last: bool,
}

/// Somebody who has an account there.
#[derive(Clone, Debug)]
pub struct Person {
    pub subject: String,
    /// Further claims, or what a plain provider's API says.
    pub says: Value,
}

impl Person {
    pub fn new(subject: &str, email: Option<&str>, verified: bool) -> Self {
        let mut says = json!({ "name": "Jane Doe", "picture": "https://pictures.example.com/jane.png" });
        if let Some(email) = email {
            says["email"] = email.into();
            says["email_verified"] = verified.into();
        }
        Self { subject: subject.to_owned(), says }
    }
}

struct Granted {
    person: Person,
    client: String,
    redirect_uri: String,
    challenge: String,
    nonce: Option<String>,
}

struct Inner {
    issuer: String,
    clock: MockClock,
    key: EcdsaKeyPair,
    kid: String,
    stray: EcdsaKeyPair,
    codes: HashMap<String, Granted>,
    people: HashMap<String, Person>,
    asked: HashMap<&'static str, usize>,
    mischief: Mischief,
}

type Shared = Arc<Mutex<Inner>>;

pub struct Fake {
    inner: Shared,
    serving: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn key() -> EcdsaKeyPair {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &SystemRandom::new()).unwrap()
}

impl Fake {
    /// Its time is the server's.
    pub async fn start(clock: MockClock) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let inner = Inner {
            issuer,
            clock,
            key: key(),
            kid: "first".to_owned(),
            stray: key(),
            codes: HashMap::new(),
            people: HashMap::new(),
            asked: HashMap::new(),
            mischief: Mischief::default(),
        };
        let inner: Shared = Arc::new(Mutex::new(inner));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/{tenant}/v2.0/.well-known/openid-configuration", get(discovery_of_tenant))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .route("/login/oauth/access_token", post(token))
            .route("/api/v3/user", get(github_user))
            .route("/api/v3/user/emails", get(github_emails))
            .route("/api/oauth2/token", post(token))
            .route("/api/users/@me", get(userinfo))
            .route("/v23.0/oauth/access_token", post(token))
            .route("/v23.0/me", get(userinfo))
            .route("/2/oauth2/token", post(token))
            .route("/2/users/me", get(userinfo))
            .with_state(inner.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { inner, serving }
    }

    pub fn issuer(&self) -> String {
        self.inner.lock().unwrap().issuer.clone()
    }

    pub fn misbehave(&self, mischief: Mischief) {
        self.inner.lock().unwrap().mischief = mischief;
    }

    /// How often a document was asked for.
    pub fn asked(&self, what: &str) -> usize {
        self.inner.lock().unwrap().asked.get(what).copied().unwrap_or_default()
    }

    /// From here on it signs with another key.
    pub fn rotate(&self) {
        let mut inner = self.inner.lock().unwrap();
        (inner.key, inner.kid) = (key(), format!("{}+", inner.kid));
    }

    /// The person agrees: what the browser is sent back with.
    pub fn consent(&self, authorize: &str, person: &Person) -> Back {
        let url = Url::parse(authorize).unwrap();
        let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!(asked["state"].len(), 32, "{authorize}");
        let mut inner = self.inner.lock().unwrap();
        let code = format!("code {}/{}", inner.codes.len(), person.subject);
        let granted = Granted {
            person: person.clone(),
            client: asked["client_id"].clone(),
            redirect_uri: asked["redirect_uri"].clone(),
            challenge: asked["code_challenge"].clone(),
            nonce: asked.get("nonce").cloned(),
        };
        inner.codes.insert(code.clone(), granted);
        Back {
            redirect_uri: asked["redirect_uri"].clone(),
            state: asked["state"].clone(),
            code,
            iss: Some(inner.issuer.clone()),
        }
    }

    /// An id token as a native app gets it.
    pub fn id_token(&self, person: &Person, audience: &str, nonce: Option<&str>) -> String {
        self.inner.lock().unwrap().id_token(person, audience, nonce)
    }
}

/// What the provider's redirect brings.
#[derive(Clone, Debug)]
pub struct Back {
    pub redirect_uri: String,
    pub state: String,
    pub code: String,
    pub iss: Option<String>,
}

impl Back {
    /// The redirect, relative to the server.
    pub fn path(&self) -> String {
        let path = Url::parse(&self.redirect_uri).unwrap().path().to_owned();
        let mut url = Url::parse("http://x").unwrap();
        url.query_pairs_mut().append_pair("code", &self.code).append_pair("state", &self.state);
        if let Some(iss) = &self.iss {
            url.query_pairs_mut().append_pair("iss", iss);
        }
        format!("{path}?{}", url.query().unwrap())
    }
}

impl Inner {
    fn count(&mut self, what: &'static str) {
        *self.asked.entry(what).or_default() += 1;
    }

    fn id_token(&self, person: &Person, audience: &str, nonce: Option<&str>) -> String {
        let now = self.clock.now().as_millis() / 1000;
        let mut claims = person.says.clone();
        claims["iss"] = self.issuer.clone().into();
        claims["sub"] = person.subject.clone().into();
        claims["aud"] = audience.into();
        claims["iat"] = now.into();
        claims["exp"] = (now + 600).into();
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        for (name, value) in &self.mischief.claims {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(*name);
            } else {
                claims[*name] = value.clone();
            }
        }
        let alg = self.mischief.alg.unwrap_or("ES256");
        let header = json!({ "alg": alg, "kid": self.kid, "typ": "JWT" });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = match alg {
            "none" => String::new(),
            // The published key as a shared secret: the oldest trick there is.
            "HS256" => {
                let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, self.key.public_key().as_ref());
                URL_SAFE_NO_PAD.encode(ring::hmac::sign(&secret, signed.as_bytes()))
            }
            _ => {
                let key = if self.mischief.unpublished_key { &self.stray } else { &self.key };
                URL_SAFE_NO_PAD.encode(key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap())
            }
        };
        format!("{signed}.{signature}")
    }
}

async fn silence(shared: &Shared) {
    let silent = shared.lock().unwrap().mischief.silent;
    if silent {
        // Longer than anybody waits.
        tokio::time::sleep(Duration::from_secs(120)).await;
    }
}

fn instead(other: Option<(u16, String)>) -> Option<Response> {
    other.map(|(status, body)| (StatusCode::from_u16(status).unwrap(), body).into_response())
}

async fn discovery(State(shared): State<Shared>) -> Response {
    silence(&shared).await;
    let mut inner = shared.lock().unwrap();
    inner.count("discovery");
    if let Some(other) = instead(inner.mischief.discovery.clone()) {
        return other;
    }
    document(&inner, &inner.issuer, true)
}

/// As Microsoft has it: some names stand for many tenants, and one for the tenant of personal accounts.
async fn discovery_of_tenant(State(shared): State<Shared>, Path(tenant): Path<String>) -> Response {
    let inner = shared.lock().unwrap();
    let called = match tenant.as_str() {
        "common" | "organizations" => "{tenantid}",
        "consumers" => "9188040d-6c67-4c5b-b112-36a304b66dad",
        other => other,
    };
    let own = format!("{}/{called}/v2.0", inner.issuer);
    document(&inner, inner.mischief.names.unwrap_or(&own), false)
}

fn document(inner: &Inner, name: &str, announces_iss: bool) -> Response {
    let issuer = &inner.issuer;
    Json(json!({
        "issuer": name,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/jwks"),
        "authorization_response_iss_parameter_supported": announces_iss,
        "id_token_signing_alg_values_supported": ["ES256"],
    }))
    .into_response()
}

async fn jwks(State(shared): State<Shared>) -> Response {
    let mut inner = shared.lock().unwrap();
    inner.count("jwks");
    let point = inner.key.public_key().as_ref();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..65]));
    let odd = json!({ "kty": "from the future", "kid": "odd" });
    let key = json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": inner.kid, "x": x, "y": y });
    Json(json!({ "keys": [odd, key] })).into_response()
}

async fn token(State(shared): State<Shared>, headers: HeaderMap, body: String) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    silence(&shared).await;
    let mut inner = shared.lock().unwrap();
    inner.count("token");
    if let Some(other) = instead(inner.mischief.token.clone()) {
        return other;
    }
    let refused = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    if client(&headers, &form) != Some((CLIENT.to_owned(), SECRET.to_owned())) {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" }))).into_response();
    }
    let code = form["code"].clone();
    let granted = if inner.mischief.codes_last { inner.codes.get(&code) } else { None };
    let taken;
    let granted = match granted {
        Some(granted) => granted,
        None => match inner.codes.remove(&code) {
            Some(granted) => {
                taken = granted;
                &taken
            }
            None => return refused("invalid_grant"),
        },
    };
    // RFC 7636, 4.6.
    let verifier = form.get("code_verifier").map(String::as_str).unwrap_or_default();
    let proven = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == granted.challenge;
    if !proven || form["redirect_uri"] != granted.redirect_uri || granted.client != CLIENT {
        return refused("invalid_grant");
    }
    let access = format!("access-{code}").replace([' ', '/'], "-");
    let (person, nonce) = (granted.person.clone(), granted.nonce.clone());
    let id_token = inner.id_token(&person, CLIENT, nonce.as_deref());
    inner.people.insert(access.clone(), person);
    Json(json!({
        "access_token": access,
        "token_type": "bearer",
        "expires_in": 600,
        "scope": "openid email",
        "id_token": id_token,
    }))
    .into_response()
}

fn client(headers: &HeaderMap, form: &HashMap<String, String>) -> Option<(String, String)> {
    if let Some(basic) = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Basic ")) {
        let text = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        // RFC 6749, 2.3.1: each is form-encoded before.
        let decode =
            |text: &str| url::form_urlencoded::parse(format!("x={text}").as_bytes()).next().unwrap().1.into_owned();
        return Some((decode(id), decode(secret)));
    }
    Some((form.get("client_id")?.clone(), form.get("client_secret")?.clone()))
}

fn person(inner: &Inner, headers: &HeaderMap) -> Option<Person> {
    let access = headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
    inner.people.get(access).cloned()
}

async fn userinfo(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let mut inner = shared.lock().unwrap();
    inner.count("userinfo");
    if let Some(other) = instead(inner.mischief.userinfo.clone()) {
        return other;
    }
    let Some(person) = person(&inner, &headers) else { return StatusCode::UNAUTHORIZED.into_response() };
    let mut says = person.says;
    if says.get("sub").is_none() {
        says["sub"] = person.subject.into();
    }
    Json(says).into_response()
}

async fn github_user(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let inner = shared.lock().unwrap();
    let Some(person) = person(&inner, &headers) else { return StatusCode::UNAUTHORIZED.into_response() };
    Json(person.says["user"].clone()).into_response()
}

async fn github_emails(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let inner = shared.lock().unwrap();
    let Some(person) = person(&inner, &headers) else { return StatusCode::UNAUTHORIZED.into_response() };
    match &person.says["emails"] {
        Value::Null => StatusCode::NOT_FOUND.into_response(),
        emails => Json(emails.clone()).into_response(),
    }
}
