//! Codes of six digits by mail (CONTRACT 5).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrysalis_domain::challenge::Purpose;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::forms;
use super::refusal::with_invalid_email;
use super::shape::{SUCCESS, Success, User};
use super::state::Http;
use super::who::Who;
use crate::app::email_otp::Typed;
use crate::wire::body::Body;
use crate::wire::error::{ApiError, ErrorBody};

/// What a code is for.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CodeType {
    SignIn,
    EmailVerification,
    ForgetPassword,
}

impl From<CodeType> for Purpose {
    fn from(kind: CodeType) -> Self {
        match kind {
            CodeType::SignIn => Purpose::SignInCode,
            CodeType::EmailVerification => Purpose::VerificationCode,
            CodeType::ForgetPassword => Purpose::ResetCode,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = email_otp::SendForm)]
pub struct SendForm {
    #[schema(example = "jane@example.com")]
    email: String,
    r#type: CodeType,
}

/// Mails a code.
#[utoipa::path(
    post, path = "/email-otp/send-verification-otp", tag = "member",
    request_body = SendForm,
    responses(
        (status = 200, description = "Asked for; the same for every address", body = Success),
        (status = 400, description = "`INVALID_EMAIL`, `EMAIL_OTP_DISABLED`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 429, description = "Too often", body = ErrorBody),
    )
)]
pub async fn send(State(http): State<Http>, who: Who, Body(form): Body<SendForm>) -> Result<Json<Success>, ApiError> {
    let asked = http.app.ask_for_code(&who.caller, who.live(), &form.email, form.r#type.into()).await;
    asked.map_err(with_invalid_email)?;
    Ok(Json(SUCCESS))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = email_otp::SignInForm)]
pub struct SignInForm {
    #[schema(example = "jane@example.com")]
    email: String,
    /// Without it, a code is mailed.
    #[serde(default)]
    otp: Option<String>,
    /// For a new member.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    image: Option<String>,
}

/// Without `otp` mails a code; with it signs in. The guest of the browser in which the code is typed becomes a member in
/// place; an address that nobody holds makes a new one.
#[utoipa::path(
    post, path = "/sign-in/email-otp", tag = "member",
    request_body = SignInForm,
    responses(
        (status = 200, description = "Signed in; or `{success: true}`, when a code was asked for", body = super::shape::ProvenBody),
        (status = 400, description = "`INVALID_OTP`, `OTP_EXPIRED`, `VALIDATION_ERROR`, `EMAIL_OTP_DISABLED`, `SIGN_UP_DISABLED`", body = ErrorBody),
        (status = 403, description = "`TOO_MANY_ATTEMPTS`", body = ErrorBody),
        (status = 429, description = "Too often", body = ErrorBody),
    )
)]
pub async fn sign_in(State(http): State<Http>, who: Who, Body(form): Body<SignInForm>) -> Result<Response, ApiError> {
    let Some(code) = form.otp.as_deref() else {
        http.app.ask_for_code(&who.caller, who.live(), &form.email, Purpose::SignInCode).await?;
        return Ok(Json(SUCCESS).into_response());
    };
    let (name, image) = (forms::name(form.name)?, forms::image(form.image)?);
    let proven = http.app.sign_in_by_code(&who.caller, typed(&who, &form.email, code), name, image).await?;
    Ok(http.proven(&who, &proven.signed_in, proven.reclaimed))
}

fn typed<'a>(who: &'a Who, email: &'a str, code: &'a str) -> Typed<'a> {
    Typed { email, code, presented: who.live(), claims: &who.claims }
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct VerifyForm {
    email: String,
    otp: String,
    /// Of the account, where this is not the browser in which the address was given.
    #[serde(default)]
    password: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = email_otp::Verified)]
pub struct Verified {
    status: bool,
    /// Set when this call opened a session: where there is none before the proof.
    token: Option<String>,
    user: User,
}

/// Proves the address of an account.
#[utoipa::path(
    post, path = "/email-otp/verify-email", tag = "member",
    request_body = VerifyForm,
    responses(
        (status = 200, description = "Proven", body = Verified),
        (status = 400, description = "`INVALID_OTP`, `OTP_EXPIRED`, `VALIDATION_ERROR`, `INVALID_PASSWORD`", body = ErrorBody),
        (status = 403, description = "`TOO_MANY_ATTEMPTS`, `CONFIRMATION_REQUIRED`", body = ErrorBody),
        (status = 429, description = "Too often", body = ErrorBody),
    )
)]
pub async fn verify(State(http): State<Http>, who: Who, Body(form): Body<VerifyForm>) -> Result<Response, ApiError> {
    let typed = typed(&who, &form.email, &form.otp);
    let (user, opened) = http.app.verify_by_code(&who.caller, typed, form.password.as_deref()).await?;
    let token = opened.as_ref().map(|opened| opened.token.clone());
    let mut response = Json(Verified { status: true, token, user: User::new(user, false) }).into_response();
    if let Some(opened) = opened {
        http.give_session(&mut response, &who, &opened);
    }
    Ok(response)
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct CheckForm {
    email: String,
    r#type: CodeType,
    otp: String,
}

/// Whether a code is right. It stays valid; a wrong one counts.
#[utoipa::path(
    post, path = "/email-otp/check-verification-otp", tag = "member",
    request_body = CheckForm,
    responses(
        (status = 200, description = "It is", body = Success),
        (status = 400, description = "`INVALID_OTP`, `OTP_EXPIRED`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 403, description = "`TOO_MANY_ATTEMPTS`", body = ErrorBody),
        (status = 429, description = "Too often", body = ErrorBody),
    )
)]
pub async fn check(State(http): State<Http>, who: Who, Body(form): Body<CheckForm>) -> Result<Json<Success>, ApiError> {
    http.app.check_code(&who.caller, typed(&who, &form.email, &form.otp), form.r#type.into()).await?;
    Ok(Json(SUCCESS))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ForgetForm {
    email: String,
}

/// Mails a code that sets a new password.
#[utoipa::path(
    post, path = "/email-otp/request-password-reset", tag = "member",
    request_body = ForgetForm,
    responses((status = 200, description = "Asked for; the same for every address", body = Success), (status = 400, description = "`VALIDATION_ERROR`, `EMAIL_OTP_DISABLED`", body = ErrorBody))
)]
pub async fn forget(
    State(http): State<Http>,
    who: Who,
    Body(form): Body<ForgetForm>,
) -> Result<Json<Success>, ApiError> {
    http.app.ask_for_code(&who.caller, who.live(), &form.email, Purpose::ResetCode).await?;
    Ok(Json(SUCCESS))
}

/// The older name of `/email-otp/request-password-reset`.
#[utoipa::path(
    post, path = "/forget-password/email-otp", tag = "member",
    request_body = ForgetForm,
    responses((status = 200, description = "Asked for; the same for every address", body = Success), (status = 400, description = "`VALIDATION_ERROR`, `EMAIL_OTP_DISABLED`", body = ErrorBody))
)]
pub async fn forget_as_before(http: State<Http>, who: Who, form: Body<ForgetForm>) -> Result<Json<Success>, ApiError> {
    forget(http, who, form).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = email_otp::ResetForm)]
pub struct ResetForm {
    email: String,
    otp: String,
    /// The new one.
    password: String,
}

/// Sets a new password by a code. Ends every other session.
#[utoipa::path(
    post, path = "/email-otp/reset-password", tag = "member",
    request_body = ResetForm,
    responses(
        (status = 200, description = "Set", body = Success),
        (status = 400, description = "`INVALID_OTP`, `OTP_EXPIRED`, `VALIDATION_ERROR`, `PASSWORD_TOO_SHORT`, `PASSWORD_TOO_LONG`, `PASSWORD_TOO_COMMON`", body = ErrorBody),
        (status = 403, description = "`TOO_MANY_ATTEMPTS`", body = ErrorBody),
        (status = 429, description = "Too often", body = ErrorBody),
    )
)]
pub async fn reset(State(http): State<Http>, who: Who, Body(form): Body<ResetForm>) -> Result<Response, ApiError> {
    let typed = typed(&who, &form.email, &form.otp);
    let renewed = http.app.reset_by_code(&who.caller, typed, &form.password).await?;
    let mut response = Json(SUCCESS).into_response();
    if let Some(renewed) = renewed {
        http.give_session(&mut response, &who, &renewed);
    }
    Ok(response)
}
