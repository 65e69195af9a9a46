//! What a new session is made of: its token, its life, and from where it came.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::SessionId;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::command::{NewSession, NewToken, Renewal, Rotation, RotationPolicy};
use chrysalis_domain::value::Authentication;
use chrysalis_projections::sessions::SessionRow;

use super::identify::{Identity, Presented};
use super::transfer::Transfer;
use super::view::{ClientSeen, SessionView, UserView};
use super::{App, AppError, Caller};
use crate::config::RotateOnUpgrade;
use crate::keys::{PersonSealer, SealKind, SessionToken};
use crate::log::{LogFault, SealedRecord};

/// What a call that opened or renewed a session has to say.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub session: SessionView,
    pub user: UserView,
    /// False: the session ends with the browser.
    pub remembered: bool,
    /// The session's secret, as the caller has to present it from now on.
    pub token: String,
    /// Set when the user holds an address that is not proven yet: the cookie that shows who claimed it.
    pub claim: Option<chrysalis_domain::id::ClaimId>,
    /// Set when a link was mailed that this browser asked for.
    pub asked: Option<chrysalis_domain::id::ChallengeId>,
    /// What the guest of this browser did can be moved to this account with it.
    pub transfer: Option<Transfer>,
}

/// A session about to be started, with its secret, from where it comes, and the sealed record of that.
pub(super) struct Opening {
    pub(super) session: NewSession,
    pub(super) token: SessionToken,
    pub(super) client: SealedRecord,
    pub(super) seen: ClientSeen,
}

impl App {
    pub(super) fn opening(
        &self,
        caller: &Caller,
        sealer: &PersonSealer,
        authentication: Authentication,
        remembered: bool,
    ) -> Result<Opening, AppError> {
        let token = SessionToken::create(self.entropy.as_ref(), caller.at);
        self.opening_with(caller, sealer, authentication, remembered, token)
    }

    pub(super) fn opening_with(
        &self,
        caller: &Caller,
        sealer: &PersonSealer,
        authentication: Authentication,
        remembered: bool,
        token: SessionToken,
    ) -> Result<Opening, AppError> {
        let seen = ClientSeen { ip: caller.address.text(), ua: caller.user_agent.clone() };
        let json = serde_json::to_string(&seen).map_err(|error| LogFault::Bug(error.to_string()))?;
        let client = sealer.seal(SealKind::Client, &json, self.entropy.as_ref(), caller.at);
        let session = NewSession {
            id: SessionId::from_ulid(self.fresh(caller.at)),
            token: public(&token)?,
            expires_at: self.session_end(caller, remembered),
            remembered,
            authentication,
            client: Some(client.id),
            replayable_until: None,
            verified: None,
            limit: self.config.sessions.per_user,
            impersonation: None,
        };
        Ok(Opening { session, token, client, seen })
    }

    fn session_end(&self, caller: &Caller, remembered: bool) -> Timestamp {
        let sessions = &caller.settings.sessions;
        let life = if remembered { sessions.inactivity_timeout } else { self.config.sessions.not_remembered };
        caller.at + sessions.max_length.map_or(life, |longest| life.min(longest))
    }

    /// A new life for the session in which somebody becomes a member.
    pub(super) fn renewal(
        &self,
        presented: &Presented,
        caller: &Caller,
        remembered: bool,
        token: &SessionToken,
    ) -> Result<Renewal, AppError> {
        let expires_at = self.session_end(caller, remembered);
        Ok(Renewal { expires_at, remembered, rotation: self.rotation(presented, token, GRACE)? })
    }

    pub(super) fn rotation(
        &self,
        presented: &Presented,
        token: &SessionToken,
        grace: chrysalis_domain::Span,
    ) -> Result<Rotation, AppError> {
        let policy = match self.config.sessions.rotate_on_upgrade {
            RotateOnUpgrade::Cookie => RotationPolicy::Cookie,
            RotateOnUpgrade::Always => RotationPolicy::Always,
            RotateOnUpgrade::Never => RotationPolicy::Never,
        };
        Ok(Rotation { policy, carrier: presented.carrier, token: public(token)?, grace })
    }

    /// The session with another token after its user's roles changed, where that is due and not done (SECURITY S6). `None`:
    /// it goes on as it is.
    pub async fn renewed(&self, caller: &Caller, presented: &Presented) -> Result<Option<Identity>, AppError> {
        if !presented.row.rotation_due {
            return Ok(None);
        }
        let token = SessionToken::create(self.entropy.as_ref(), caller.at);
        let rotation = self.rotation(presented, &token, GRACE)?;
        let command = UserCommand::RotateSession { session: presented.row.session, rotation };
        let ask = self.ask(caller, presented.actor(), presented.row.user.user, command);
        self.execute(ask.whatever_the_settings()).await?;
        let row = self.session_row(presented.row.session).await?.ok_or(super::Refusal::SessionNotLive)?;
        Ok(if row.token_hash == token.hash().0 {
            let token = token.as_str().to_owned();
            Some(Identity::Live(Presented { row, token, ..presented.clone() }))
        } else if row.token_hash == presented.row.token_hash {
            None
        } else {
            // Another call was a moment faster, and has the new token.
            Some(Identity::Superseded(presented.clone()))
        })
    }

    /// The session after a command, with the token that leads to it now.
    pub(super) async fn signed_in(
        &self,
        presented: &Presented,
        candidate: &SessionToken,
    ) -> Result<SignedIn, AppError> {
        let row = self.session_row(presented.row.session).await?.ok_or(super::Refusal::SessionNotLive)?;
        let rotated = row.token_hash == candidate.hash().0;
        self.signed_in_as(&row, if rotated { candidate.as_str() } else { &presented.token })
    }

    /// What there is to say of a session whose token is known.
    pub fn signed_in_as(&self, row: &SessionRow, token: &str) -> Result<SignedIn, AppError> {
        let (session, user) = self.view(row)?;
        // Whoever acts as the user made no claim of theirs.
        let claim = row.user.email_claim.filter(|_| !row.user.email_verified && row.impersonation.is_none());
        Ok(SignedIn {
            session,
            user,
            remembered: row.remembered,
            token: token.to_owned(),
            claim,
            asked: None,
            transfer: None,
        })
    }
}

/// How long the token of an upgraded session may still read, so that requests in flight don't fail (SECURITY S6).
pub(super) const GRACE: chrysalis_domain::Span = chrysalis_domain::Span::from_secs(60);

fn public(token: &SessionToken) -> Result<NewToken, LogFault> {
    token.public().ok_or_else(|| LogFault::Bug("a token of ours has no locator".to_owned()))
}
