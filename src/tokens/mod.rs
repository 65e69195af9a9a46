//! Tokens for other services: JWTs (RFC 7519) that they check against our public keys, without asking us (CONTRACT 8).
//!
//! Promises: no token lives longer than 15 minutes (a guest's: 5); one session costs at most one signature in the minutes
//! for which its token is given again; a token never says what its session's row no longer says; keys change by
//! themselves, and whoever follows `/jwks` never meets a token of a key that was not published an hour before.

mod cache;
mod jwt;
mod keys;

use std::sync::Arc;

use chrysalis_domain::id::{SealedId, UserId};
use chrysalis_domain::user::Standing;
use chrysalis_domain::value::Method;
use chrysalis_domain::{Span, Timestamp};
use chrysalis_projections::sessions::SessionRow;
use http::HeaderValue;
use secrecy::SecretString;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::log::{Log, LogFault};
use cache::Cache;
pub use jwt::{Claims, Jwk};
use keys::Keys;

/// How long a member's token is good.
const LIFE: Span = Span::from_secs(900);
/// A guest's: it may become another's by then.
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

/// What a token says, as far as its session's row tells: if any of it changes, the token does.
#[derive(Clone, Debug)]
struct Said {
    user: UserId,
    standing: Standing,
    email_verified: bool,
    /// The sealed records of address, name and image: another value is another record.
    said: [Option<SealedId>; 3],
    role: String,
    authenticated_at: Timestamp,
    method: Method,
}

impl From<&SessionRow> for Said {
    fn from(row: &SessionRow) -> Self {
        Self {
            user: row.user.user,
            standing: row.user.standing,
            email_verified: row.user.email_verified,
            said: said(row),
            role: row.user.role.clone(),
            authenticated_at: row.authenticated_at,
            method: row.method,
        }
    }
}

impl Said {
    /// Whether the row still says so.
    fn fits(&self, row: &SessionRow) -> bool {
        self.user == row.user.user
            && self.standing == row.user.standing
            && self.email_verified == row.user.email_verified
            && self.said == said(row)
            && self.role == row.user.role
            && self.authenticated_at == row.authenticated_at
            && self.method == row.method
    }
}

fn said(row: &SessionRow) -> [Option<SealedId>; 3] {
    [&row.user.email, &row.user.name, &row.user.image].map(|sealed| sealed.as_ref().map(|sealed| sealed.id))
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

    /// The token that was made for this session a moment ago, if it still says what the row says.
    pub fn known(&self, row: &SessionRow) -> Option<HeaderValue> {
        self.cache.get(row, self.clock.now())
    }

    /// A token for the session. `claims` are asked for only when one has to be made.
    pub async fn token(
        &self,
        row: &SessionRow,
        claims: impl FnOnce() -> Result<Claims, LogFault>,
    ) -> Result<HeaderValue, LogFault> {
        if let Some(known) = self.known(row) {
            return Ok(known);
        }
        let now = self.clock.now();
        let life = if row.user.standing.is_guest() { GUEST_LIFE } else { LIFE };
        let signer = self.keys.current(now).await?;
        let token = claims()?.sign(&signer, &self.issuer, now, life)?;
        let again = (now + AGAIN).min(now + life - WORTH_GIVING);
        self.cache.put(row.session, Said::from(row), token.clone(), again);
        Ok(token)
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
    }
}
