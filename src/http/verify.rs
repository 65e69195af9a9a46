//! The mailed verification link (CONTRACT 2.6, row a; 3).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{LOCATION, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use super::forms::callback_url;
use super::state::Http;
use super::who::Who;
use crate::app::{AppError, Refusal};
use crate::wire::body::Query;
use crate::wire::callback::CallbackUrl;
use crate::wire::error::{ApiError, ErrorBody};

#[derive(Debug, Deserialize)]
pub struct VerifyQuery {
    #[serde(default)]
    token: String,
    #[serde(default, rename = "callbackURL")]
    callback_url: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct Verified {
    status: bool,
    user: (),
}

/// Proves the address in the browser that claimed it. Opened again it succeeds again.
#[utoipa::path(
    get, path = "/verify-email", tag = "member",
    params(
        ("token" = String, Query, description = "As mailed; 24 hours"),
        ("callbackURL" = Option<String>, Query, description = "Where to go; without it the answer is JSON"),
    ),
    responses(
        (status = 200, description = "Proven: `{status: true, user: null}`"),
        (status = 302, description = "To `callbackURL`, with `?error=INVALID_TOKEN`, `TOKEN_EXPIRED` or `CONFIRMATION_REQUIRED` on failure"),
        (status = 401, description = "`INVALID_TOKEN`, `TOKEN_EXPIRED`", body = ErrorBody),
        (status = 403, description = "`CONFIRMATION_REQUIRED`, `INVALID_CALLBACK_URL`", body = ErrorBody),
    )
)]
pub async fn verify_email(
    State(http): State<Http>,
    who: Who,
    Query(query): Query<VerifyQuery>,
) -> Result<Response, ApiError> {
    let callback = callback_url(query.callback_url, &http)?;
    let verified = http.app.verify_email(&who.caller, &query.token, &who.claims, who.live()).await;
    match (verified, callback) {
        (Ok(()), None) => Ok(Json(Verified { status: true, user: () }).into_response()),
        (Ok(()), Some(callback)) => Ok(redirect(&http, callback)),
        (Err(AppError::Refused(refusal)), callback) => refused(&http, refusal, callback),
        (Err(error), _) => Err(error.into()),
    }
}

fn refused(http: &Http, refusal: Refusal, callback: Option<CallbackUrl>) -> Result<Response, ApiError> {
    let said = ApiError::from(refusal);
    match callback {
        Some(callback) => {
            let callback = callback.with_param("error", said.code());
            Ok(redirect(http, callback))
        }
        None if matches!(refusal, Refusal::InvalidToken | Refusal::TokenExpired) => {
            Err(said.with_status(StatusCode::UNAUTHORIZED))
        }
        None => Err(said),
    }
}

/// 302 with an empty body; a relative path goes back as it came, or to the app where one is configured.
fn redirect(http: &Http, callback: CallbackUrl) -> Response {
    let callback = match &http.app_origin {
        Some(app) => callback.resolve(app),
        None => callback,
    };
    let mut response = StatusCode::FOUND.into_response();
    response.headers_mut().insert(LOCATION, callback.location());
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
