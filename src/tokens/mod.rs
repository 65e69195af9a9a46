//! Tokens for other services: JWTs (RFC 7519) that they check against our public keys, without asking us (CONTRACT 8).
//!
//! Promises: no token lives longer than 15 minutes (a guest's: 5); one session costs at most one signature in the minutes
//! for which its token is given again; a token never says what its session's row no longer says; keys change by
//! themselves, and whoever follows `/jwks` never meets a token of a key that was not published an hour before.

mod cache;
mod jwt;
mod keys;

use std::sync::Arc;

use chrysalis_domain::Span;
use chrysalis_projections::sessions::SessionRow;
use http::HeaderValue;
use secrecy::SecretString;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::log::{Log, LogFault};
use cache::Cache;
use jwt::Act;
pub use jwt::{Claims, Jwk};
use keys::Keys;

/// How long a guest's token is good at most: it may become another's by then.
const GUEST_LIFE: Span = Span::from_secs(300);
/// How long the same token is given again …
const AGAIN: Span = Span::from_secs(300);
/// … while it is good for as long as this.
const WORTH_GIVING: Span = Span::from_secs(60);

/// Makes tokens and says how to check them.
pub struct Tokens {
    clock: Arc<dyn Clock>,
    keys: Keys,
    cache: Cache,
    /// Issuer and audience: the origin of the public URL.
    issuer: String,
}

impl Tokens {
    pub fn new(
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        secret: SecretString,
        issuer: String,
    ) -> Self {
        let keys = Keys::new(log, entropy, secret);
        Self { clock, keys, cache: Cache::default(), issuer }
    }

    /// A token for the session: the one of a moment ago, if it would say the same now.
    /// `life` is how long a member's is good.
    pub async fn token(&self, row: &SessionRow, claims: &Claims, life: Span) -> Result<HeaderValue, LogFault> {
        let now = self.clock.now();
        let life = if row.user.standing.is_guest() { life.min(GUEST_LIFE) } else { life };
        let signer = self.keys.current(now).await?;
        if let Some(iat) = self.cache.issued(row.session, now) {
            let text = claims.text(&signer, &self.issuer, iat, life)?;
            if let Some(signature) = self.cache.signature(row.session, &text) {
                return jwt::token(text, &signature);
            }
        }
        let text = claims.text(&signer, &self.issuer, now, life)?;
        let signature = signer.sign(&text)?;
        let until = (now + AGAIN).min(now + life - WORTH_GIVING);
        self.cache.put(row.session, &text, signature, now, until);
        jwt::token(text, &signature)
    }

    /// The keys that tokens may be signed with now, a moment ago or soon.
    pub async fn public_keys(&self) -> Result<Vec<Jwk>, LogFault> {
        self.keys.published(self.clock.now()).await
    }
}

/// Names of claims are those of OpenID Connect and RFC 8176 where there are any.
pub fn claims_of(row: &SessionRow, view: &crate::app::view::UserView) -> Claims {
    Claims {
        sub: row.user.user,
        sid: row.session,
        auth_time: row.authenticated_at.as_millis() / 1000,
        amr: row.method.amr(),
        is_anonymous: view.is_anonymous,
        email_verified: view.email_verified,
        name: view.name.clone(),
        email: view.email.clone(),
        image: view.image.clone(),
        role: view.role.clone(),
        app_metadata: view.app_metadata.clone(),
        act: row.impersonation.map(|impersonation| Act { sub: impersonation.by.to_string() }),
    }
}
