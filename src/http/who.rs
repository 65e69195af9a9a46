//! Who is calling: the session behind a request's bearer token or cookies (CONTRACT 1.4).
//!
//! A known bearer token wins over the cookie; an unknown or badly signed one is ignored, so that it neither shadows nor
//! deletes a good cookie. Of two good cookies under one name, one was planted: both count as none.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use chrysalis_domain::id::{ChallengeId, ClaimId};
use chrysalis_domain::value::Carrier;
use http::HeaderMap;
use http::request::Parts;

use super::state::Http;
use crate::app::Caller;
use crate::app::authority::ValidKey;
use crate::app::identify::{Identity, Presented};
use crate::log::LogFault;
use crate::wire::bearer;
use crate::wire::cookie::CookieKind;
use crate::wire::error::ApiError;
use crate::wire::jar::Jar;

/// Who calls, as a handler gets it: shared with the gate, not copied.
#[derive(Clone, Debug)]
pub struct Who(pub(super) Arc<Known>);

impl Deref for Who {
    type Target = Known;

    fn deref(&self) -> &Known {
        &self.0
    }
}

/// What the gate found out about a request before its handler runs.
#[derive(Clone, Debug)]
pub struct Known {
    pub caller: Caller,
    pub standing: Standing,
    /// Cookies that lead nowhere any more and are to be deleted where the answer says so.
    pub dead_cookies: bool,
    /// Two good session cookies came under one name: one of them was planted, and both are deleted.
    pub planted_cookies: bool,
    /// The browser has the cookie of a session that ends with it.
    pub not_remembered: bool,
    pub key: Key,
    /// `Authorization` holds a session token or an API key that is known: no foreign page could have sent it.
    pub authorized: bool,
    /// Claims that this browser can show it made.
    pub claims: Vec<ClaimId>,
    /// Links that this browser can show it asked for.
    pub asked: Vec<ChallengeId>,
}

/// The API key in `Authorization`. It administers within its permissions, and is never a session.
#[derive(Clone, Debug)]
pub enum Key {
    None,
    /// Unknown, revoked, past its time, or of a maker who administers no more.
    Bad,
    Valid(Box<ValidKey>),
}

#[derive(Clone, Debug)]
pub enum Standing {
    Nobody,
    Live(Box<Presented>),
    /// The token was rotated a moment ago: it reads, and does nothing else.
    Superseded(Box<Presented>),
    Expired(Box<Presented>),
}

impl Known {
    pub fn valid_key(&self) -> Option<&ValidKey> {
        match &self.key {
            Key::Valid(key) => Some(key),
            Key::None | Key::Bad => None,
        }
    }

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

    /// The session ended while the call was on its way.
    pub(super) fn ended(&mut self) {
        (self.standing, self.authorized) = (Standing::Nobody, false);
        self.dead_cookies = true;
    }

    /// The live session, where one is needed.
    pub fn session(&self) -> Result<&Presented, ApiError> {
        self.live().ok_or_else(ApiError::unauthorized)
    }

    /// The session, where reading is all that is asked: a token that was rotated a moment ago reads too. `true`: it is such
    /// a one, and names, addresses and images are not for its holder.
    pub fn reading(&self) -> Result<(&Presented, bool), ApiError> {
        match &self.standing {
            Standing::Live(presented) => Ok((presented, false)),
            Standing::Superseded(presented) => Ok((presented, true)),
            Standing::Expired(_) | Standing::Nobody => Err(ApiError::unauthorized()),
        }
    }

    /// The live session of an account, or the reason why there is none (CONTRACT 2.2, row 1).
    pub fn receiving(&self) -> Result<&Presented, ApiError> {
        match &self.standing {
            Standing::Live(presented) => Ok(presented),
            Standing::Expired(presented) if presented.is_guest() => Err(super::refusal::anonymous_session_expired()),
            Standing::Expired(_) | Standing::Superseded(_) | Standing::Nobody => Err(ApiError::unauthorized()),
        }
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
    pub(super) async fn who(&self, headers: &HeaderMap, caller: Caller) -> Result<Known, LogFault> {
        let jar = Jar::parse(headers, &self.cookies);
        let claims =
            jar.verified(CookieKind::Claim, &self.signer).iter().filter_map(|claim| claim.parse().ok()).collect();
        let asked =
            jar.verified(CookieKind::Asked, &self.signer).iter().filter_map(|asked| asked.parse().ok()).collect();
        let not_remembered = jar.has(CookieKind::DontRemember);
        let mut who = Known {
            caller,
            standing: Standing::Nobody,
            dead_cookies: false,
            planted_cookies: false,
            not_remembered,
            key: Key::None,
            authorized: false,
            claims,
            asked,
        };

        match bearer::presented(headers, &self.signer) {
            bearer::Presented::Token(token) => {
                let found = self.app.identify(&who.caller, &token, Carrier::Bearer).await?;
                who.authorized = matches!(found, Identity::Live(_) | Identity::Superseded(_));
                who.standing = standing(found);
            }
            bearer::Presented::ApiKey(secret) => {
                let found = self.app.identify_key(&secret, who.caller.at).await?;
                who.authorized = found.is_some();
                who.key = found.map_or(Key::Bad, |key| Key::Valid(Box::new(key)));
            }
            bearer::Presented::BadlySigned | bearer::Presented::None => {}
        }
        if !matches!(who.standing, Standing::Nobody) {
            return Ok(who);
        }
        self.by_cookie(&jar, &mut who).await?;
        Ok(who)
    }

    async fn by_cookie(&self, jar: &Jar<'_>, who: &mut Known) -> Result<(), LogFault> {
        for token in jar.verified(CookieKind::SessionToken, &self.signer) {
            let found = self.app.identify(&who.caller, &token, Carrier::Cookie).await?;
            who.dead_cookies |= matches!(found, Identity::Ended | Identity::Expired(_));
            match standing(found) {
                Standing::Nobody => {}
                known if matches!(who.standing, Standing::Nobody) => who.standing = known,
                _ => {
                    (who.standing, who.planted_cookies) = (Standing::Nobody, true);
                    return Ok(());
                }
            }
        }
        Ok(())
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
