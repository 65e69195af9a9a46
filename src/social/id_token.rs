//! Id tokens, verified (OpenID Connect Core, 3.1.3.7): signature by one of the issuer's keys, issuer, audience, authorized
//! party, time, nonce.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use chrysalis_domain::Timestamp;
use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJwsSigningAlgorithm as Algorithm};
use openidconnect::{ClaimsVerificationError, ClientId, IssuerUrl, Nonce, SignatureVerificationError};
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::discovery::{Discovery, Found};
use super::known::Kind;
use super::reader::{self, PERSONAL_TENANT};
use super::{Profile, ProviderError, is_subject};
use crate::config::SocialProvider;

/// Longest token that is looked at, in bytes.
const TOKEN_MAX: usize = 16 * 1024;
/// How far clocks may be apart, in seconds.
const SKEW: i64 = 120;
/// How old a token may be that an app got for itself, in seconds.
const AGE_MAX: i64 = 3600;

/// What a token has to repeat.
#[derive(Clone, Copy)]
pub(super) enum NonceRule<'a> {
    Exact(&'a str),
    IfThere(&'a str),
    /// As a native app gave it, or its SHA-256 in hexadecimal, as Apple's and Google's libraries have it.
    Native(&'a str),
    /// The app did not say.
    Unbound,
}

/// What the token says, once it is known to be the issuer's word for this client.
pub(super) async fn verify(
    discovery: &Discovery,
    settings: &SocialProvider,
    token: &str,
    nonce: NonceRule<'_>,
    now: Timestamp,
) -> Result<Profile, ProviderError> {
    let found = discovery.found().await?;
    match check(&found, settings, token, nonce, now) {
        // The issuer may have a new key since its keys were read.
        Err(Flaw::UnknownKey) => {
            let newer = discovery.with_newer_keys(&found).await?;
            check(&newer, settings, token, nonce, now).map_err(Flaw::into)
        }
        done => done.map_err(Flaw::into),
    }
}

enum Flaw {
    UnknownKey,
    Other(String),
}

impl From<Flaw> for ProviderError {
    fn from(flaw: Flaw) -> Self {
        ProviderError::IdToken(match flaw {
            Flaw::UnknownKey => "signed with a key that is not the issuer's".to_owned(),
            Flaw::Other(why) => why,
        })
    }
}

fn flaw(why: impl ToString) -> Flaw {
    Flaw::Other(why.to_string())
}

fn check(
    found: &Found,
    settings: &SocialProvider,
    token: &str,
    nonce: NonceRule<'_>,
    now: Timestamp,
) -> Result<Profile, Flaw> {
    if token.len() > TOKEN_MAX {
        return Err(flaw("too long"));
    }
    // Read before anything is verified, to know by what to verify; believed only afterwards.
    let payload = payload(token).ok_or_else(|| flaw("not a token"))?;
    let tenant = payload["tid"].as_str().filter(|_| settings.kind == Kind::Microsoft);
    let issuer = issuer(found, settings, tenant)?;
    let audience = audience(settings, &payload).ok_or_else(|| flaw("for another client"))?;
    let parsed = CoreIdToken::from_str(token).map_err(flaw)?;
    let seconds = now.as_millis() / 1000;
    let verifier = CoreIdTokenVerifier::new_public_client(
        ClientId::new(audience.to_owned()),
        IssuerUrl::new(issuer.clone()).map_err(flaw)?,
        found.keys.clone(),
    )
    .set_allowed_algs([
        Algorithm::RsaSsaPkcs1V15Sha256,
        Algorithm::RsaSsaPkcs1V15Sha384,
        Algorithm::RsaSsaPkcs1V15Sha512,
        Algorithm::RsaSsaPssSha256,
        Algorithm::EcdsaP256Sha256,
        Algorithm::EcdsaP384Sha384,
        Algorithm::EdDsa,
    ])
    .set_time_fn(move || DateTime::<Utc>::from_timestamp(seconds, 0).unwrap_or_default())
    .set_issue_time_verifier_fn(move |issued| {
        let age = seconds - issued.timestamp();
        if (-SKEW..=AGE_MAX + SKEW).contains(&age) { Ok(()) } else { Err("issued at another time".to_owned()) }
    });
    let repeats = |given: Option<&Nonce>| check_nonce(nonce, given.map(|given| given.secret().as_str()));
    let claims = parsed.claims(&verifier, repeats).map_err(|error| match error {
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => Flaw::UnknownKey,
        error => flaw(error),
    })?;
    // The client that the token was made for, where it names one: ours (OpenID Connect Core, 2).
    if let Some(party) = payload["azp"].as_str()
        && !is_ours(settings, party)
    {
        return Err(flaw("made for another client"));
    }
    let subject = claims.subject().as_str().to_owned();
    if !is_subject(&subject) {
        return Err(flaw("its subject is none"));
    }
    let text = |field: &str| payload[field].as_str().map(str::to_owned);
    Ok(Profile {
        issuer,
        subject,
        email: reader::email(&payload, settings, tenant),
        name: text("name"),
        image: text("picture"),
        scopes: Vec::new(),
    })
}

/// The claims as they stand in the token.
fn payload(token: &str) -> Option<Value> {
    let encoded = token.split('.').nth(1)?;
    let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?;
    payload.is_object().then_some(payload)
}

/// Whose word it has to be. Microsoft's common endpoints stand for every tenant, and a token names its own.
fn issuer(found: &Found, settings: &SocialProvider, tenant: Option<&str>) -> Result<String, Flaw> {
    if !found.issuer.contains("{tenantid}") {
        return Ok(found.issuer.clone());
    }
    let is_tenant = |tenant: &&str| tenant.len() == 36 && tenant.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let tenant = tenant.filter(is_tenant).ok_or_else(|| flaw("names no tenant"))?;
    let asked = settings.issuer.as_deref().unwrap_or_default();
    let personal = tenant == PERSONAL_TENANT;
    if (asked.contains("/organizations/") && personal) || (asked.contains("/consumers/") && !personal) {
        return Err(flaw("of a tenant that is not taken"));
    }
    Ok(found.issuer.replace("{tenantid}", tenant))
}

/// The client of ours that the token is for.
fn audience<'a>(settings: &SocialProvider, payload: &'a Value) -> Option<&'a str> {
    let named: Vec<&str> = match &payload["aud"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    named.into_iter().find(|audience| is_ours(settings, audience))
}

fn is_ours(settings: &SocialProvider, client: &str) -> bool {
    settings.client_id == client || settings.audiences.iter().any(|audience| audience == client)
}

fn check_nonce(rule: NonceRule<'_>, given: Option<&str>) -> Result<(), String> {
    let same = |expected: &str| given.is_some_and(|given| bool::from(given.as_bytes().ct_eq(expected.as_bytes())));
    let good = match rule {
        NonceRule::Exact(expected) => same(expected),
        NonceRule::IfThere(expected) => given.is_none() || same(expected),
        NonceRule::Native(expected) => {
            let hashed: String = Sha256::digest(expected).iter().map(|byte| format!("{byte:02x}")).collect();
            same(expected) || same(&hashed)
        }
        NonceRule::Unbound => true,
    };
    if good { Ok(()) } else { Err("another nonce".to_owned()) }
}
