//! Social sign-in, upgrade and linking (CONTRACT 2.4, 2.5, 4).
//!
//! A flow begins here ([`App::begin_social`]) and comes back in [`returned`]; an id token that a native app got for itself
//! needs no flow ([`App::by_id_token`]). Whose the identity then is, and what follows, is one decision for both:
//! [`identity`].

mod identity;
mod refusal;
mod returned;

use chrysalis_domain::Span;
use chrysalis_domain::challenge::event::AuthorizationRequested;
use chrysalis_domain::challenge::{Asker, Bound, ChallengeCommand, Intent};
use chrysalis_domain::id::{ChallengeId, ClaimId, PersonId};

use super::challenge::Details;
use super::identify::Presented;
use super::new_session::SignedIn;
use super::{App, AppError, Caller, Refusal};
use crate::keys::{PersonSealer, flow_secrets};
use crate::log::cqrs::{Concurrency, Step};
use crate::log::{Actor, LogFault};
use crate::social::{Provider, ProviderError};
use identity::Came;
pub use refusal::{SocialError, SocialRefusal};
pub use returned::{Callback, Failed, Home};

/// How long a browser may take to come back.
const LIFE: Span = Span::from_secs(600);
/// How long to wait when a provider does not answer.
const PROVIDER_AWAY: Span = Span::from_secs(5);

/// What is wanted of a provider.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    pub intent: Intent,
    pub provider: &'a str,
    /// Where the browser goes afterwards.
    pub details: Details,
    /// Besides those that reading a name and an address takes.
    pub scopes: &'a [String],
    pub login_hint: Option<&'a str>,
}

/// Where to send the browser, and what it is known by when it comes back.
#[derive(Clone, Debug)]
pub struct Begun {
    pub url: String,
    pub state: String,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Completed {
    /// None when nothing about the browser's session changes: an identity was linked, or the session in which it began is
    /// elsewhere.
    pub signed_in: Option<SignedIn>,
    /// A member who was nobody before.
    pub new_user: bool,
    /// The account was somebody's who had not proven the address.
    pub reclaimed: bool,
}

/// An id token, and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct IdToken<'a> {
    pub intent: Intent,
    pub provider: &'a str,
    pub token: &'a str,
    pub nonce: Option<&'a str>,
}

impl App {
    pub async fn begin_social(
        &self,
        caller: &Caller,
        presented: Option<&Presented>,
        wish: Wish<'_>,
    ) -> Result<Begun, AppError> {
        let provider = provider(caller, wish.provider)?;
        let challenge = ChallengeId::from_ulid(self.fresh(caller.at));
        let secrets = flow_secrets(&self.keyring, challenge)
            .ok_or_else(|| LogFault::Bug("there is no key for states".to_owned()))?;
        let url = provider.authorization_url(&secrets, wish.scopes, wish.login_hint).await.map_err(|error| {
            tracing::warn!(provider = provider.id(), %error, "a flow does not begin");
            AppError::Unavailable { retry_after: PROVIDER_AWAY }
        })?;
        let (person, sealer, key) = match presented {
            Some(presented) => (presented.row.user.person, self.sealer(&presented.row.user)?, None),
            None => {
                let person = PersonId::from_ulid(self.fresh(caller.at));
                let (sealer, key) = PersonSealer::create(&self.keyring, person, self.entropy.as_ref())?;
                (person, sealer, Some(key))
            }
        };
        let details = self.seal_details(caller, &sealer, &wish.details)?;
        let asker = match presented {
            Some(presented) => {
                let Bound { user, epoch } = self.bound(presented.row.user.user).await?;
                Some(Asker { user, epoch, session: presented.row.session })
            }
            None => None,
        };
        let requested = AuthorizationRequested {
            challenge,
            provider: provider.id().to_owned(),
            intent: wish.intent,
            person,
            details: details.id,
            asker,
            at: caller.at,
            expires_at: caller.at + LIFE,
        };
        let actor = presented.map_or_else(Actor::somebody, Presented::actor);
        let command = ChallengeCommand::RequestAuthorization(Box::new(requested));
        let mut ask = self.asking(caller, actor).then(Step::Challenge(challenge, Concurrency::New, command));
        (ask.sealed, ask.person_keys) = (vec![details], key.into_iter().collect());
        self.execute(ask).await?;
        Ok(Begun { url, state: secrets.state })
    }

    /// Signs in, upgrades or links by an id token.
    pub async fn by_id_token(
        &self,
        caller: &Caller,
        presented: Option<&Presented>,
        claims: &[ClaimId],
        id_token: IdToken<'_>,
    ) -> Result<Completed, SocialError> {
        let provider = provider(caller, id_token.provider)?;
        let profile = provider.id_token(id_token.token, id_token.nonce).await.map_err(|error| match error {
            ProviderError::NoIdTokens => SocialError::App(Refusal::IdTokenNotSupported.into()),
            ProviderError::Unreachable(why) => {
                tracing::warn!(provider = provider.id(), why, "an id token can't be checked");
                SocialError::App(AppError::Unavailable { retry_after: PROVIDER_AWAY })
            }
            error => {
                tracing::info!(provider = provider.id(), %error, "an id token is refused");
                SocialError::App(Refusal::InvalidToken.into())
            }
        })?;
        let came = Came {
            provider: provider.id(),
            profile,
            intent: id_token.intent,
            start: presented,
            here: true,
            presented,
            claims,
            flow: None,
            callback_url: None,
        };
        self.came(caller, &came).await
    }
}

fn provider<'c>(caller: &'c Caller, id: &str) -> Result<&'c Provider, Refusal> {
    caller.settings.providers.get(id).ok_or(Refusal::ProviderNotFound)
}
