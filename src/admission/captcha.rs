//! Cloudflare Turnstile and hCaptcha: their widget gives the browser a token, and their server says whether it is good, once.
//! Both speak the same protocol (`siteverify`). Whatever is not a clear yes or no is a fault of theirs or of the
//! configuration, and lets nobody in.

use http::Request;
use http::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use crate::config::{CaptchaConfig, CaptchaProvider};
use crate::limits::ClientAddress;
use crate::outgoing::Outgoing;

/// Longest token that is brought to the provider: Turnstile's have up to 2,048 characters, hCaptcha's some thousands.
const TOKEN_MAX: usize = 8 * 1024;

pub struct Captcha {
    pub provider: CaptchaProvider,
    pub site_key: String,
    secret: SecretString,
    verify: Url,
    outgoing: Outgoing,
}

#[derive(Debug, thiserror::Error)]
pub enum CaptchaError {
    #[error("the provider is not to be reached: {0}")]
    Away(String),
    #[error("the provider's answer does not read (status {0})")]
    Garbage(u16),
    #[error("the provider finds fault with this server: {}; look at challenge.site_key and challenge.secret", .0.join(", "))]
    Ours(Vec<String>),
}

#[derive(Deserialize)]
struct Said {
    success: bool,
    #[serde(default, rename = "error-codes")]
    errors: Vec<String>,
}

/// What says that the token is not to blame.
const OURS: [&str; 7] = [
    "missing-input-secret",
    "invalid-input-secret",
    "sitekey-secret-mismatch",
    "not-using-dummy-passcode",
    "not-using-dummy-secret",
    "bad-request",
    "internal-error",
];

impl Captcha {
    pub fn new(config: &CaptchaConfig, outgoing: Outgoing) -> Self {
        let CaptchaConfig { provider, site_key, secret, verify } = config.clone();
        Self { provider, site_key, secret, verify, outgoing }
    }

    /// Whether the token is good; it is used up by this.
    pub async fn passes(&self, token: &str, address: &ClientAddress) -> Result<bool, CaptchaError> {
        if token.is_empty() || token.len() > TOKEN_MAX {
            return Ok(false);
        }
        let away = |said: &dyn std::fmt::Display| CaptchaError::Away(said.to_string());
        let request = Request::post(self.verify.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(self.form(token, address))
            .map_err(|error| away(&error))?;
        let answer = self.outgoing.send(request).await.map_err(|error| away(&error))?;
        let said: Option<Said> = serde_json::from_slice(answer.body()).ok();
        match said {
            Some(said) if said.errors.iter().any(|error| OURS.contains(&error.as_str())) => {
                Err(CaptchaError::Ours(said.errors))
            }
            Some(said) if answer.status().is_success() => Ok(said.success),
            _ => Err(CaptchaError::Garbage(answer.status().as_u16())),
        }
    }

    fn form(&self, token: &str, address: &ClientAddress) -> Vec<u8> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("secret", self.secret.expose_secret()).append_pair("response", token);
        if let ClientAddress::Known(address) = address {
            form.append_pair("remoteip", &address.to_string());
        }
        if self.provider == CaptchaProvider::HCaptcha {
            form.append_pair("sitekey", &self.site_key);
        }
        form.finish().into_bytes()
    }
}
