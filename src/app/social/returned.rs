//! A browser comes back from a provider (CONTRACT 4; RFC 9700, 4.7): with the state that it was sent away with, the cookie
//! that says that it is the same browser, and no other user's session.
//!
//! The state is used up before the provider is asked: of two callbacks at once only one brings it the code, which a
//! provider takes once (RFC 6749, 4.1.2), and none of what follows can be tried again.

use chrysalis_domain::challenge::event::{AuthorizationRequested, VoidReason};
use chrysalis_domain::challenge::{Challenge, ChallengeCommand, Intent};
use chrysalis_domain::id::ClaimId;

use super::identity::{Came, Flow};
use super::{Completed, SocialError, SocialRefusal};
use crate::app::challenge::Details;
use crate::app::identify::Presented;
use crate::app::{App, AppError, Caller, Refusal};
use crate::keys::{Record, SealKind, flow_of};
use crate::log::Actor;
use crate::log::cqrs::{Concurrency, Step, load};
use crate::social::{FlowSecrets, Profile, ProviderError, Returned};

/// Longest code that is looked at: providers' are far below.
const CODE_MAX: usize = 4096;
/// Longest error that a provider may name (RFC 6749, 4.1.2.1 names none above 26 characters).
const ERROR_MAX: usize = 64;

/// What the browser brought.
#[derive(Clone, Copy, Debug, Default)]
pub struct Callback<'a> {
    pub provider: &'a str,
    pub state: &'a str,
    /// The browser has the cookie of this state.
    pub has_cookie: bool,
    pub code: Option<&'a str>,
    pub error: Option<&'a str>,
    pub iss: Option<&'a str>,
    pub user: Option<&'a str>,
}

/// Where the browser goes from here.
#[derive(Clone, Debug, Default)]
pub struct Home {
    pub callback_url: Option<String>,
    pub new_user_callback_url: Option<String>,
    /// Where it goes when nothing comes of it; none is the server's own page.
    pub error_url: Option<String>,
}

/// Nothing came of it.
#[derive(Debug)]
pub struct Failed {
    pub error: SocialError,
    pub home: Home,
}

/// A flow that stands.
struct Standing {
    secrets: FlowSecrets,
    requested: AuthorizationRequested,
    record: Option<Record>,
    home: Home,
}

impl App {
    pub async fn social_returned(
        &self,
        caller: &Caller,
        presented: Option<&Presented>,
        claims: &[ClaimId],
        callback: Callback<'_>,
    ) -> Result<(Completed, Home), Box<Failed>> {
        let nowhere = |error: SocialError| Box::new(Failed { error, home: Home::default() });
        let standing = self.standing_flow(caller, callback.state).await.map_err(nowhere)?;
        let home = standing.home.clone();
        match self.complete(caller, presented, claims, callback, standing).await {
            Ok(completed) => Ok((completed, home)),
            Err(error) => Err(Box::new(Failed { error, home })),
        }
    }

    async fn complete(
        &self,
        caller: &Caller,
        presented: Option<&Presented>,
        claims: &[ClaimId],
        callback: Callback<'_>,
        standing: Standing,
    ) -> Result<Completed, SocialError> {
        let Standing { secrets, requested, record, home } = standing;
        // Whoever has no cookie of it can neither finish the flow nor end it for whoever has.
        if !callback.has_cookie || callback.provider != requested.provider {
            return Err(SocialRefusal::StateMismatch.into());
        }
        let start = self.start_of(caller, &requested, presented).await?;
        let code = match code_in(callback) {
            Ok(code) => code,
            Err(refusal) => {
                let denied = ChallengeCommand::Void { reason: VoidReason::Denied };
                self.end_challenge(caller, requested.challenge, denied).await?;
                return Err(refusal.into());
            }
        };
        self.use_up(caller, &requested).await?;
        let profile = self.profile_of(caller, callback, code, &secrets).await?;
        let here = match (&start, presented) {
            (Some(start), Some(presented)) => start.row.session == presented.row.session,
            (None, _) => true,
            (Some(_), None) => false,
        };
        let came = Came {
            provider: &requested.provider,
            profile,
            intent: requested.intent,
            // As it was presented, where it was: with its carrier and its token.
            start: if here { presented } else { start.as_ref() },
            here,
            presented,
            claims,
            callback_url: home.callback_url.clone(),
            flow: Some(Flow {
                epoch: requested.asker.map(|asker| asker.epoch),
                nobody: record.filter(|_| requested.asker.is_none()).map(|record| (requested.person, record.sealer)),
            }),
        };
        match self.came(caller, &came).await {
            // What was wanted is so already.
            Err(SocialError::App(AppError::Refused(Refusal::AlreadyLinked))) => Ok(Completed::default()),
            done => done,
        }
    }

    /// The session in which it began: it has to be live, and the browser in no other. A browser without any may be the app's
    /// window into the web (an in-app browser).
    async fn start_of(
        &self,
        caller: &Caller,
        requested: &AuthorizationRequested,
        presented: Option<&Presented>,
    ) -> Result<Option<Presented>, SocialError> {
        let mismatch = || SocialError::from(SocialRefusal::StateMismatch);
        let Some(asker) = requested.asker else {
            return if presented.is_some() { Err(mismatch()) } else { Ok(None) };
        };
        if presented.is_some_and(|presented| presented.row.user.user != asker.user) {
            return Err(mismatch());
        }
        let row = self.session_row(asker.session).await?;
        let row = row.map(|row| self.bound_by(&caller.settings, row));
        let row = row.filter(|row| row.ended_at.is_none() && row.expires_at > caller.at).ok_or_else(mismatch)?;
        let wanted = match requested.intent {
            Intent::Upgrade => row.user.standing.is_guest(),
            Intent::Link => !row.user.standing.is_guest(),
            Intent::SignIn => true,
        };
        // Whatever ended all pending acts of the user ended this one too: an upgrade, above all.
        if !wanted || self.bound(asker.user).await?.epoch != asker.epoch {
            return Err(mismatch());
        }
        Ok(Some(Presented::elsewhere(row)))
    }

    /// Of two who bring the state at once, one is late.
    async fn use_up(&self, caller: &Caller, requested: &AuthorizationRequested) -> Result<(), SocialError> {
        let actor = match requested.asker {
            Some(asker) => Actor::user(asker.user).by(asker.session),
            None => Actor::somebody(),
        };
        let step = Step::Challenge(requested.challenge, Concurrency::Exact, ChallengeCommand::MeetAuthorization);
        self.execute(self.asking(caller, actor).then(step)).await?;
        Ok(())
    }

    async fn profile_of(
        &self,
        caller: &Caller,
        callback: Callback<'_>,
        code: &str,
        secrets: &FlowSecrets,
    ) -> Result<Profile, SocialRefusal> {
        let provider = caller.settings.providers.get(callback.provider).ok_or(SocialRefusal::ProviderNotFound)?;
        let returned = Returned { code, iss: callback.iss, user: callback.user, secrets };
        provider.returned(returned).await.map_err(|error| {
            tracing::warn!(provider = provider.id(), %error, "a flow ends at the provider");
            match error {
                ProviderError::IssuerMismatch => SocialRefusal::IssuerMismatch,
                ProviderError::Code(_) | ProviderError::Unreachable(_) => SocialRefusal::InvalidCode,
                ProviderError::UserInfo(_) | ProviderError::IdToken(_) | ProviderError::NoIdTokens => {
                    SocialRefusal::NoUserInfo
                }
            }
        })
    }

    async fn standing_flow(&self, caller: &Caller, state: &str) -> Result<Standing, SocialError> {
        let unknown = || SocialError::from(SocialRefusal::StateNotFound);
        let (challenge, secrets) = flow_of(&self.keyring, state).ok_or_else(unknown)?;
        let known = load::<Challenge>(self.log.as_ref(), challenge).await?.state;
        let requested = known.standing_authorization(caller.at).map_err(|_| unknown())?.clone();
        let record = Record::find(self.log.as_ref(), &self.keyring, requested.details).await?;
        let json = match &record {
            Some(record) => record.read(SealKind::Details)?,
            None => None,
        };
        let details: Details = json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        // What a guest began leads back to where the guest is; a plain sign-in has a page of its own for errors.
        let upgrades = requested.intent != Intent::SignIn;
        let home = Home {
            error_url: details.error_callback_url.or(details.callback_url.clone().filter(|_| upgrades)),
            callback_url: details.callback_url,
            new_user_callback_url: details.new_user_callback_url,
        };
        Ok(Standing { secrets, requested, record, home })
    }
}

/// The code, unless the provider said no.
fn code_in<'a>(callback: Callback<'a>) -> Result<&'a str, SocialRefusal> {
    if let Some(said) = callback.error {
        let fits = (1..=ERROR_MAX).contains(&said.len())
            && said.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        return Err(match fits {
            true => SocialRefusal::Provider(said.to_owned()),
            false => SocialRefusal::InvalidCallback,
        });
    }
    let code = callback.code.filter(|code| !code.is_empty()).ok_or(SocialRefusal::NoCode)?;
    if code.len() > CODE_MAX { Err(SocialRefusal::InvalidCallback) } else { Ok(code) }
}
