//! The guest: arriving, becoming a member, leaving (CONTRACT 2.1, 2.2).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::admission;
use super::forms::UpgradeForm;
use super::refusal::with_invalid_email;
use super::shape::{SUCCESS, SignedInBody, Success};
use super::state::Http;
use super::who::{Standing, Who};
use crate::app::create_guest::Origin;
use crate::app::new_session::SignedIn;
use crate::app::{AppError, Refusal};
use crate::wire::body::{Body, Query};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::optional::Lenient;

/// Where the guest came from, for the app's conversion figures. What is malformed is dropped, never an error.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ArriveForm {
    #[serde(default)]
    #[schema(value_type = Option<EntryForm>)]
    entry: Lenient<EntryForm>,
    /// The answer to a challenge, where one is asked for; the header `x-captcha-response` does as well.
    #[serde(default, rename = "captchaResponse")]
    #[schema(value_type = Option<String>)]
    captcha_response: Lenient<String>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct EntryForm {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    channel: Lenient<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    campaign: Lenient<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    referrer: Lenient<String>,
}

impl From<EntryForm> for Origin {
    fn from(form: EntryForm) -> Self {
        Origin { channel: form.channel.0, campaign: form.campaign.0, referrer: form.referrer.0 }
    }
}

/// Creates a guest with a session, or answers the session that the caller already has.
#[utoipa::path(
    post, path = "/sign-in/anonymous", tag = "guest",
    request_body = ArriveForm,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "22 to 128 of `[A-Za-z0-9_-]`, random: repeated within 10 minutes it gives the same guest"),
        ("x-captcha-response" = Option<String>, Header, description = "The answer to a challenge, where `/anonymous/challenge` asks for one"),
    ),
    responses(
        (status = 200, description = "The guest, or the session that is there already", body = SignedInBody),
        (status = 400, description = "`ANONYMOUS_AUTH_DISABLED`, `INVALID_IDEMPOTENCY_KEY`", body = ErrorBody),
        (status = 403, description = "`CHALLENGE_REQUIRED`, `CHALLENGE_FAILED`: `details` has the `kind` of what is to be shown, the `url` of `/anonymous/challenge`, the `siteKey` of a captcha, and the `header` or `field` to show it in", body = ErrorBody),
        (status = 409, description = "`IDEMPOTENCY_KEY_REUSED`", body = ErrorBody),
        (status = 429, description = "More guests than one network gets in a minute, an hour or a day", body = ErrorBody),
        (status = 503, description = "The captcha can't be checked", body = ErrorBody),
    )
)]
pub async fn arrive(
    State(http): State<Http>,
    who: Who,
    headers: HeaderMap,
    Body(form): Body<ArriveForm>,
) -> Result<Response, ApiError> {
    let answer = admission::answer(&headers, form.captcha_response.0);
    guest(&http, &who, &headers, form.entry.0.unwrap_or_default(), answer).await
}

/// The same by GET, for a client without the anonymous plugin. Only a script's fetch gets a guest: a navigation, a
/// prefetch or a foreign page does not.
#[utoipa::path(
    get, path = "/sign-in/anonymous", tag = "guest",
    params(
        ("channel" = Option<String>, Query, description = "At most 200 characters"),
        ("campaign" = Option<String>, Query, description = "At most 200 characters"),
        ("referrer" = Option<String>, Query, description = "At most 200 characters"),
        ("x-captcha-response" = Option<String>, Header, description = "As by POST"),
    ),
    responses(
        (status = 200, description = "The guest, or the session that is there already", body = SignedInBody),
        (status = 403, description = "`ANONYMOUS_GET_BLOCKED`; `CHALLENGE_REQUIRED`, `CHALLENGE_FAILED` as by POST", body = ErrorBody),
    )
)]
pub async fn arrive_by_get(
    State(http): State<Http>,
    who: Who,
    headers: HeaderMap,
    entry: Result<Query<EntryForm>, ApiError>,
) -> Result<Response, ApiError> {
    // A query that does not read says nothing of where the guest came from, and is no error.
    let entry = entry.map_or_else(|_| EntryForm::default(), |Query(entry)| entry);
    guest(&http, &who, &headers, entry, admission::answer(&headers, None)).await
}

async fn guest(
    http: &Http,
    who: &Who,
    headers: &HeaderMap,
    entry: EntryForm,
    answer: Option<String>,
) -> Result<Response, ApiError> {
    match &who.standing {
        Standing::Live(presented) => {
            let again = SignedIn { claim: None, ..http.app.signed_in_as(&presented.row, &presented.token)? };
            return Ok(http.signed_in(who, &again));
        }
        // The session was upgraded a moment ago, and this call was on its way: a guest's cookie in its answer would take
        // the place of the member's.
        Standing::Superseded(_) => return Err(ApiError::unauthorized()),
        Standing::Expired(_) | Standing::Nobody => {}
    }
    let key = idempotency_key(headers)?;
    let created = http.app.create_guest(&who.caller, entry.into(), key, answer.as_deref()).await;
    let signed_in = created.map_err(|error| admission::refused(http, error))?;
    Ok(http.signed_in(who, &signed_in))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut sent = headers.get_all("idempotency-key").iter();
    let Some(key) = sent.next() else { return Ok(None) };
    let shaped = |key: &&str| {
        (22..=128).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    let key = key.to_str().ok().filter(shaped).filter(|_| sent.next().is_none());
    key.map(Some).ok_or_else(|| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "INVALID_IDEMPOTENCY_KEY",
            "Idempotency-Key takes 22 to 128 of A-Z a-z 0-9 _ -",
        )
    })
}

/// The guest becomes a member in place: same user id, same session id, same data.
#[utoipa::path(
    post, path = "/anonymous/upgrade", tag = "guest",
    request_body = UpgradeForm,
    responses(
        (status = 200, description = "The member, in the same session", body = SignedInBody),
        (status = 400, description = "`USER_IS_NOT_ANONYMOUS`, `EMAIL_PASSWORD_DISABLED`", body = ErrorBody),
        (status = 401, description = "`ANONYMOUS_SESSION_EXPIRED`, `UNAUTHORIZED`", body = ErrorBody),
        (status = 409, description = "`EMAIL_ALREADY_IN_USE`", body = ErrorBody),
        (status = 422, description = "`INVALID_EMAIL`, `PASSWORD_TOO_SHORT`, `PASSWORD_TOO_LONG`, `PASSWORD_TOO_COMMON`", body = ErrorBody),
        (status = 429, description = "Too often", body = ErrorBody),
    )
)]
pub async fn upgrade(State(http): State<Http>, who: Who, Body(form): Body<UpgradeForm>) -> Result<Response, ApiError> {
    let presented = who.upgrading()?;
    if !presented.is_guest() {
        return Err(super::refusal::not_anonymous());
    }
    let form = form.into_form(&who)?;
    let upgraded = http.app.upgrade(&who.caller, presented, form).await.map_err(said_of_a_form)?;
    Ok(http.signed_in(&who, &upgraded))
}

/// On this path what is wrong with a field is 422.
fn said_of_a_form(error: AppError) -> ApiError {
    let unfit =
        [Refusal::InvalidEmail, Refusal::PasswordTooShort, Refusal::PasswordTooLong, Refusal::PasswordTooCommon];
    let of_a_field = matches!(&error, AppError::Refused(refusal) if unfit.contains(refusal));
    let said = with_invalid_email(error);
    if of_a_field { said.with_status(StatusCode::UNPROCESSABLE_ENTITY) } else { said }
}

/// The guest gives up what it has.
#[utoipa::path(
    post, path = "/delete-anonymous-user", tag = "guest",
    responses(
        (status = 200, description = "Gone, with its sessions", body = Success),
        (status = 401, description = "`ANONYMOUS_SESSION_EXPIRED`, `UNAUTHORIZED`", body = ErrorBody),
        (status = 403, description = "`USER_IS_NOT_ANONYMOUS`", body = ErrorBody),
    )
)]
pub async fn delete(
    State(http): State<Http>,
    who: Who,
    Body(_): Body<super::forms::Nothing>,
) -> Result<Response, ApiError> {
    let forbidden = |error: ApiError| {
        if error.code() == "USER_IS_NOT_ANONYMOUS" { error.with_status(StatusCode::FORBIDDEN) } else { error }
    };
    let presented = match who.upgrading() {
        // The old token of a session that was upgraded a moment ago does nothing here.
        Err(error) if error.code() == "USER_IS_NOT_ANONYMOUS" => return Err(ApiError::unauthorized()),
        presented => presented?,
    };
    http.app.delete_guest(&who.caller, presented).await.map_err(|error| forbidden(error.into()))?;
    let mut response = Json(SUCCESS).into_response();
    http.delete_session(&mut response);
    Ok(response)
}
