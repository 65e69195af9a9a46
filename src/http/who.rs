//! Who is calling: the session behind a request's bearer token or cookies (CONTRACT 1.4).
//!
//! A known bearer token wins over the cookie; an unknown or badly signed one is ignored, so that it neither shadows nor
//! deletes a good cookie. Of two good cookies under one name, one was planted: both count as none.

use axum::extract::FromRequestParts;
use chrysalis_domain::Timestamp;
use chrysalis_domain::id::ClaimId;
use chrysalis_domain::value::Carrier;
use http::HeaderMap;
use http::request::Parts;

use super::state::Http;
use crate::app::Caller;
use crate::app::identify::{Identity, Presented};
use crate::log::LogFault;
use crate::wire::bearer;
use crate::wire::cookie::{CookieKind, StateSuffix};
use crate::wire::error::ApiError;
use crate::wire::jar::Jar;

/// What the gate found out about a request before its handler runs.
#[derive(Clone, Debug)]
pub struct Who {
    pub caller: Caller,
    pub standing: Standing,
    /// Cookies that lead nowhere any more and are to be deleted where the answer says so.
    pub dead_cookies: bool,
    /// The browser has the cookie of a session that ends with it.
    pub not_remembered: bool,
    /// `Authorization` holds a session token that is known, or an API key: no foreign page could have sent it.
    pub authorized: bool,
    /// Claims that this browser can show it made.
    pub claims: Vec<ClaimId>,
    /// Social sign-ins that this browser began.
    pub flows: Vec<StateSuffix>,
}

#[derive(Clone, Debug)]
pub enum Standing {
    Nobody,
    Live(Box<Presented>),
    /// The token was rotated a moment ago: it reads, and does nothing else.
    Superseded(Box<Presented>),
    Expired(Box<Presented>),
}

impl Who {
    pub fn live(&self) -> Option<&Presented> {
        match &self.standing {
            Standing::Live(presented) => Some(presented),
            _ => None,
        }
    }

    pub fn live_mut(&mut self) -> Option<&mut Presented> {
        match &mut self.standing {
            Standing::Live(presented) => Some(presented),
            _ => None,
        }
    }

    /// The live session, where one is needed.
    pub fn session(&self) -> Result<&Presented, ApiError> {
        self.live().ok_or_else(ApiError::unauthorized)
    }

    /// The live session of a guest who wants to become a member, or the reason why there is none (CONTRACT 2.2, rows 1
    /// and 2).
    pub fn upgrading(&self) -> Result<&Presented, ApiError> {
        match &self.standing {
            Standing::Live(presented) => Ok(presented),
            // A double click: the first one made a member.
            Standing::Superseded(_) => Err(super::refusal::not_anonymous()),
            Standing::Expired(presented) if presented.is_guest() => Err(super::refusal::anonymous_session_expired()),
            Standing::Expired(_) | Standing::Nobody => Err(ApiError::unauthorized()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Who>().cloned().ok_or_else(ApiError::internal)
    }
}

impl Http {
    /// Finds out who calls. Costs one look-up for each distinct token presented.
    pub(super) async fn who(&self, headers: &HeaderMap, caller: Caller) -> Result<Who, LogFault> {
        let jar = Jar::parse(headers, &self.cookies);
        let claims = jar.verified(CookieKind::Claim, &self.signer).iter().filter_map(|claim| claim.parse().ok()).collect();
        let flows = jar.states().collect();
        let not_remembered = jar.has(CookieKind::DontRemember);
        let now = caller.at;
        let mut who = Who { caller, standing: Standing::Nobody, dead_cookies: false, not_remembered, authorized: false, claims, flows };

        match bearer::presented(headers, &self.signer) {
            bearer::Presented::Token(token) => {
                let found = self.app.identify(&token, Carrier::Bearer, now).await?;
                who.authorized = matches!(found, Identity::Live(_) | Identity::Superseded(_));
                who.standing = standing(found);
            }
            // API keys come with a later issue: until then none is valid, and none authorizes.
            bearer::Presented::ApiKey(_) | bearer::Presented::BadlySigned | bearer::Presented::None => {}
        }
        if !matches!(who.standing, Standing::Nobody) {
            return Ok(who);
        }
        let (standing, dead) = self.by_cookie(&jar, now).await?;
        (who.standing, who.dead_cookies) = (standing, dead);
        Ok(who)
    }

    async fn by_cookie(&self, jar: &Jar<'_>, now: Timestamp) -> Result<(Standing, bool), LogFault> {
        let (mut found, mut dead) = (None, false);
        for token in jar.verified(CookieKind::SessionToken, &self.signer) {
            match self.app.identify(&token, Carrier::Cookie, now).await? {
                Identity::Unknown => {}
                Identity::Ended => dead = true,
                known if found.is_none() => found = Some(known),
                _ => return Ok((Standing::Nobody, true)),
            }
        }
        let expired = matches!(found, Some(Identity::Expired(_)));
        Ok((found.map_or(Standing::Nobody, standing), dead || expired))
    }
}

fn standing(identity: Identity) -> Standing {
    match identity {
        Identity::Live(presented) => Standing::Live(Box::new(presented)),
        Identity::Superseded(presented) => Standing::Superseded(Box::new(presented)),
        Identity::Expired(presented) => Standing::Expired(Box::new(presented)),
        Identity::Ended | Identity::Unknown => Standing::Nobody,
    }
}
