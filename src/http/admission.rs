//! What somebody has to show before a guest is made for them: what it is, and how it is shown.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::BASE_PATH;
use super::state::Http;
use super::who::Who;
use crate::admission::Kind;
use crate::admission::work::Parameters;
use crate::app::{AppError, Refusal};
use crate::wire::cors::X_CAPTCHA_RESPONSE;
use crate::wire::error::{ApiError, ErrorBody};

/// What is asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// `off`, `work`, `turnstile` or `hcaptcha`.
    kind: &'static str,
    /// Whether a guest takes it now.
    required: bool,
    /// For the widget of turnstile or hcaptcha.
    #[serde(skip_serializing_if = "Option::is_none")]
    site_key: Option<String>,
    /// With `work`: the puzzle, as clients of ALTCHA's second protocol solve it. Bound to the network that asked, good for
    /// five minutes and for one guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

const PATH: &str = "/anonymous/challenge";

/// What a guest takes to be created, and with `work` a fresh puzzle.
///
/// The answer goes with `/sign-in/anonymous`, in the header `x-captcha-response` or as `captchaResponse` in the body: for
/// `work` base64 of `{"challenge":{"parameters","signature"},"solution":{"counter","derivedKey"}}`, otherwise the widget's
/// token.
#[utoipa::path(
    get, path = "/anonymous/challenge", tag = "guest",
    responses(
        (status = 200, description = "What is asked for", body = Challenge),
        (status = 429, description = "Too often", body = ErrorBody),
    )
)]
pub async fn challenge(State(http): State<Http>, who: Who) -> Result<Json<Challenge>, ApiError> {
    let asked = http.app.asked_for_a_guest(&who.caller).await?;
    let (parameters, signature) = asked.puzzle.map(|puzzle| (puzzle.parameters, puzzle.signature)).unzip();
    let site_key = site_key(&http).map(str::to_owned);
    Ok(Json(Challenge { kind: kind(&http), required: asked.required, site_key, parameters, signature }))
}

/// What was shown: in the body, else by header. Two headers are none.
pub(super) fn answer(headers: &HeaderMap, in_body: Option<String>) -> Option<String> {
    let by_header = || {
        let mut sent = headers.get_all(X_CAPTCHA_RESPONSE).iter();
        let answer = sent.next()?.to_str().ok()?.to_owned();
        sent.next().is_none().then_some(answer)
    };
    in_body.or_else(by_header).filter(|answer| !answer.is_empty())
}

/// A refusal with what a client needs to try again.
pub(super) fn refused(http: &Http, error: AppError) -> ApiError {
    let challenged = matches!(error, AppError::Refused(Refusal::ChallengeRequired | Refusal::ChallengeFailed));
    let said = ApiError::from(error);
    if !challenged {
        return said;
    }
    let url = format!("{}{BASE_PATH}{PATH}", http.app.config.public);
    let mut details = json!({ "kind": kind(http), "url": url, "header": X_CAPTCHA_RESPONSE.as_str(), "field": FIELD });
    if let Some(site_key) = site_key(http) {
        details["siteKey"] = site_key.into();
    }
    said.details(details)
}

/// How the body names the answer.
const FIELD: &str = "captchaResponse";

fn kind(http: &Http) -> &'static str {
    match &http.app.admission.kind {
        Kind::Nothing => "off",
        Kind::Work { .. } => "work",
        Kind::Captcha(captcha) => captcha.provider.name(),
    }
}

fn site_key(http: &Http) -> Option<&str> {
    match &http.app.admission.kind {
        Kind::Captcha(captcha) => Some(&captcha.site_key),
        Kind::Nothing | Kind::Work { .. } => None,
    }
}
