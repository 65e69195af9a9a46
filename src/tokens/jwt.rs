//! One token: its claims, signed with Ed25519 (RFC 8037), and the key it is checked by.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrysalis_domain::id::{SessionId, UserId};
use chrysalis_domain::value::Amr;
use chrysalis_domain::{Span, Timestamp};
use http::HeaderValue;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::log::LogFault;

/// A key that signs, and its name.
pub struct Signer {
    pair: Ed25519KeyPair,
    /// The key's thumbprint (RFC 7638): another key can't have it.
    kid: String,
    /// The header of its tokens, encoded.
    header: String,
}

/// A public key as a JSON Web Key (RFC 7517, RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Jwk {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    r#use: &'static str,
    x: String,
    kid: String,
}

/// What a token says of a session and its user.
#[derive(Clone, Debug)]
pub struct Claims {
    pub sub: UserId,
    pub sid: SessionId,
    pub auth_time: i64,
    pub amr: Option<Amr>,
    pub is_anonymous: bool,
    pub email_verified: bool,
    pub name: Option<String>,
    pub email: Option<String>,
    pub image: Option<String>,
    pub role: String,
    /// What the app decides about the user: a JSON object.
    pub app_metadata: Option<Box<RawValue>>,
    pub act: Option<Act>,
}

/// Who acts as the subject (RFC 8693, 4.1).
#[derive(Clone, Debug, Serialize)]
pub struct Act {
    pub sub: String,
}

/// As it is signed. Some things are said twice, for readers of two habits.
#[derive(Serialize)]
struct Body<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: UserId,
    sid: SessionId,
    iat: i64,
    exp: i64,
    auth_time: i64,
    amr: &'a [Amr],
    is_anonymous: bool,
    email_verified: bool,
    id: UserId,
    name: &'a Option<String>,
    email: &'a Option<String>,
    #[serde(rename = "emailVerified")]
    verified: bool,
    #[serde(rename = "isAnonymous")]
    anonymous: bool,
    image: &'a Option<String>,
    role: &'a str,
    #[serde(rename = "appMetadata")]
    app_metadata: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<&'a Act>,
}

impl Signer {
    /// `None` only if the curve refuses the seed, which it does not.
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let thumbprint = Sha256::digest(format!("{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{x}\"}}"));
        let kid = URL_SAFE_NO_PAD.encode(thumbprint);
        let header = URL_SAFE_NO_PAD.encode(format!("{{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"{kid}\"}}"));
        Some(Self { pair, kid, header })
    }

    pub fn public(&self) -> Jwk {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref());
        Jwk { kty: "OKP", crv: "Ed25519", alg: "EdDSA", r#use: "sig", x, kid: self.kid.clone() }
    }
}

impl Claims {
    /// What is signed: header and claims. The same claims and time always give the same text.
    pub(super) fn text(&self, signer: &Signer, issuer: &str, iat: Timestamp, life: Span) -> Result<String, LogFault> {
        let iat = iat.as_millis() / 1000;
        let nothing: &RawValue = serde_json::from_str("{}").map_err(|error| LogFault::Bug(error.to_string()))?;
        let body = Body {
            iss: issuer,
            aud: issuer,
            sub: self.sub,
            sid: self.sid,
            iat,
            exp: iat + life.as_millis() / 1000,
            auth_time: self.auth_time,
            amr: self.amr.as_slice(),
            is_anonymous: self.is_anonymous,
            email_verified: self.email_verified,
            id: self.sub,
            name: &self.name,
            email: &self.email,
            verified: self.email_verified,
            anonymous: self.is_anonymous,
            image: &self.image,
            role: &self.role,
            app_metadata: self.app_metadata.as_deref().unwrap_or(nothing),
            act: self.act.as_ref(),
        };
        let body = serde_json::to_vec(&body).map_err(|error| LogFault::Bug(error.to_string()))?;
        let mut text = String::with_capacity(signer.header.len() + body.len() * 4 / 3 + 96);
        text.push_str(&signer.header);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(body, &mut text);
        Ok(text)
    }
}

impl Signer {
    pub(super) fn sign(&self, text: &str) -> Result<[u8; 64], LogFault> {
        let signature = self.pair.sign(text.as_bytes());
        signature.as_ref().try_into().map_err(|_| LogFault::Bug("a signature is not 64 bytes long".to_owned()))
    }
}

/// The whole token.
pub(super) fn token(mut text: String, signature: &[u8; 64]) -> Result<HeaderValue, LogFault> {
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    HeaderValue::try_from(text).map_err(|error| LogFault::Bug(error.to_string()))
}
