//! A call that was decided by settings which no longer stand is decided again, by those that do
//! (`docs/decisions/0011-settings.md`).
//!
//! Two answers show it: the store took nothing of the decision, because the settings had moved on; or something was refused
//! that other settings would have allowed, and a look at the log tells that there are others. Handlers know nothing of it:
//! what they were given is kept, and given to them once more.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http_body_util::BodyExt;

use super::state::Http;
use super::who::{Known, Who};
use crate::settings::Effective;
use crate::wire::csrf::{self, Head};
use crate::wire::error::{ApiError, RestsOnSettings};

/// Settings that change as often as this during one call are a storm: as often as a decision is tried against the log.
const ATTEMPTS: usize = 16;
/// The call that is made most rests on no setting.
const UNSETTLED_BY_NONE: &str = "/get-session";

/// Runs the handler, again where it went by settings of before.
pub async fn run(http: &Http, path: &str, request: Request, next: Next, mut who: Who) -> Response {
    if path == UNSETTLED_BY_NONE {
        return next.run(with(request, &who)).await;
    }
    let (parts, body) = request.into_parts();
    let (body, read) = recorded(body);
    let mut body = Some(body);
    for _ in 0..ATTEMPTS {
        let body = body.take().unwrap_or_else(|| read.again());
        let response = next.clone().run(with(Request::from_parts(parts.clone(), body), &who)).await;
        if response.extensions().get::<RestsOnSettings>().is_none() {
            return response;
        }
        match http.app.settings.fresh().await {
            Ok(settings) if settings.version == who.caller.settings.version => return response,
            Ok(settings) => who = by(settings, &who),
            Err(fault) => return ApiError::from(fault).into_response(),
        }
        if let Err(refused) = may_still_ask(path, &parts, &who) {
            return refused.into_response();
        }
    }
    ApiError::service_unavailable(1).into_response()
}

/// An answer that says no where other settings would say yes.
pub fn resting_on_settings(mut response: Response) -> Response {
    response.extensions_mut().insert(RestsOnSettings);
    response
}

fn with(mut request: Request, who: &Who) -> Request {
    request.extensions_mut().insert(who.clone());
    request
}

fn by(settings: Arc<Effective>, who: &Who) -> Who {
    let mut known = Known::clone(who);
    known.caller.settings = settings;
    Who(Arc::new(known))
}

/// The page's origin may be trusted no more.
fn may_still_ask(path: &str, parts: &Parts, who: &Who) -> Result<(), ApiError> {
    csrf::check(&who.caller.settings.origins, Head::from(parts), path, who.authorized)
}

/// What a handler read of a body: no more than it was willing to.
#[derive(Clone, Default)]
struct Read(Arc<Mutex<Vec<Bytes>>>);

impl Read {
    fn again(&self) -> Body {
        Body::from(self.0.lock().unwrap_or_else(PoisonError::into_inner).concat())
    }
}

fn recorded(body: Body) -> (Body, Read) {
    let read = Read::default();
    if body.is_end_stream() {
        return (body, read);
    }
    let frames = read.clone();
    let body = body.map_frame(move |frame| {
        if let Some(bytes) = frame.data_ref() {
            frames.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes.clone());
        }
        frame
    });
    (Body::new(body), read)
}
