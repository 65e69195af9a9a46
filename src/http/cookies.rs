//! What a session's coming and going means for a browser's cookies.

use axum::response::{IntoResponse, Response};
use chrysalis_domain::id::{ChallengeId, ClaimId};
use chrysalis_domain::{Span, Timestamp};
use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderValue, StatusCode};

use super::shape::{ProvenBody, SignedInBody};
use super::state::Http;
use super::who::Who;
use crate::app::new_session::SignedIn;
use crate::wire::callback::CallbackUrl;
use crate::wire::cookie::{CookieKind, FLOW_MAX_AGE, StateSuffix};
use crate::wire::cors::SET_AUTH_TOKEN;

impl Http {
    /// The answer of a call that opened or renewed a session: body, cookies, and the token as a header.
    pub(super) fn signed_in(&self, who: &Who, signed_in: &SignedIn) -> Response {
        let mut response = axum::Json(SignedInBody::from(signed_in.clone())).into_response();
        self.give_session(&mut response, who, signed_in);
        response
    }

    pub(super) fn give_session(&self, response: &mut Response, who: &Who, signed_in: &SignedIn) {
        let life = signed_in.session.expires_at.since(who.caller.at);
        self.session_cookie(response, &signed_in.token, signed_in.remembered, life);
        if signed_in.remembered && who.not_remembered {
            self.delete(response, CookieKind::DontRemember);
        }
        if let Some(claim) = signed_in.claim {
            self.claim_cookie(response, claim);
        }
        if let Some(challenge) = signed_in.asked {
            self.asked_cookie(response, challenge);
        }
        if let Some(transfer) = &signed_in.transfer {
            let life = Some(transfer.expires_at.since(who.caller.at));
            let cookie = self.cookies.set(CookieKind::Transfer, &transfer.ticket, life, &self.signer);
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }

    pub(super) fn session_cookie(&self, response: &mut Response, token: &str, remembered: bool, life: Span) {
        let headers = response.headers_mut();
        headers.append(
            SET_COOKIE,
            self.cookies.set(CookieKind::SessionToken, token, remembered.then_some(life), &self.signer),
        );
        if !remembered {
            headers.append(SET_COOKIE, self.cookies.set(CookieKind::DontRemember, "true", None, &self.signer));
        }
        if let Ok(value) = HeaderValue::from_str(&self.signer.sign(token)) {
            headers.insert(SET_AUTH_TOKEN, value);
        }
    }

    /// Shows later who made a claim on an address (CONTRACT 2.6).
    pub(super) fn claim_cookie(&self, response: &mut Response, claim: ClaimId) {
        let life = Some(self.app.config.email.claim_ttl);
        response
            .headers_mut()
            .append(SET_COOKIE, self.cookies.set(CookieKind::Claim, &claim.to_string(), life, &self.signer));
    }

    /// Shows later in which browser a link was asked for.
    pub(super) fn asked_cookie(&self, response: &mut Response, challenge: ChallengeId) {
        let asked = self.cookies.set(CookieKind::Asked, &challenge.to_string(), Some(FLOW_MAX_AGE), &self.signer);
        response.headers_mut().append(SET_COOKIE, asked);
    }

    /// Shows later in which browser a flow began.
    pub(super) fn state_cookie(&self, response: &mut Response, state: &str, life: Span) {
        if let Some(kind) = StateSuffix::of(state).map(CookieKind::State) {
            response.headers_mut().append(SET_COOKIE, self.cookies.set(kind, state, Some(life), &self.signer));
        }
    }

    /// The answer of a call that proved an address.
    pub(super) fn proven(&self, who: &Who, signed_in: &SignedIn, reclaimed: bool) -> Response {
        let body = ProvenBody { signed_in: signed_in.clone().into(), reclaimed: reclaimed.then_some(true) };
        let mut response = axum::Json(body).into_response();
        self.give_session(&mut response, who, signed_in);
        response
    }

    /// 302 with an empty body, to an absolute URL.
    pub(super) fn redirect(&self, place: CallbackUrl) -> Response {
        let place = place.resolve(self.app_origin.as_ref().unwrap_or(&self.app.config.public));
        let mut response = StatusCode::FOUND.into_response();
        response.headers_mut().insert(LOCATION, place.location());
        response
    }

    /// 302 with an empty body; a relative path goes back as it came, or to the app where one is configured.
    pub(super) fn redirect_as_written(&self, place: CallbackUrl) -> Response {
        let place = match &self.app_origin {
            Some(app) => place.resolve(app),
            None => place,
        };
        let mut response = StatusCode::FOUND.into_response();
        response.headers_mut().insert(LOCATION, place.location());
        response
    }

    /// A session that was made to live longer is given to the browser again.
    pub(super) fn extend_cookie(&self, response: &mut Response, token: &str, expires_at: Timestamp, now: Timestamp) {
        if !response.headers().contains_key(SET_COOKIE) {
            self.session_cookie(response, token, true, expires_at.since(now));
        }
    }

    pub(super) fn delete(&self, response: &mut Response, kind: CookieKind) {
        response.headers_mut().append(SET_COOKIE, self.cookies.delete(kind));
    }

    /// The cookies of a session that is no more. The claim's stays: it speaks of the address, not of the session.
    pub(super) fn delete_session(&self, response: &mut Response) {
        for kind in [CookieKind::SessionToken, CookieKind::SessionData, CookieKind::DontRemember, CookieKind::Transfer]
        {
            self.delete(response, kind);
        }
    }
}
