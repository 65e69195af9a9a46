//! A forgotten password (CONTRACT 3).

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::forms::{self, navigates};
use super::shape::{STATUS_TRUE, Status};
use super::state::Http;
use super::who::Who;
use crate::app::new_session::SignedIn;
use crate::app::{AppError, Refusal};
use crate::wire::body::{Body, BodyOrForm, Query};
use crate::wire::callback::{Appended, CallbackField, CallbackUrl};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::html::{Markup, Page, error_page};

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = reset_password::AskForm)]
#[serde(rename_all = "camelCase")]
pub struct AskForm {
    #[schema(example = "jane@example.com")]
    email: String,
    /// A page of the app; the link leads there with `?token=`. Without it, it leads to a page of this server's.
    #[serde(default)]
    redirect_to: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Asked {
    status: bool,
    message: &'static str,
}

const ASKED: Asked =
    Asked { status: true, message: "If this email exists in our system, check your email for the reset link" };

/// Mails a link that sets a new password.
#[utoipa::path(
    post, path = "/request-password-reset", tag = "member",
    request_body = AskForm,
    responses(
        (status = 200, description = "Asked for; the same for every address", body = Asked),
        (status = 400, description = "`RESET_PASSWORD_DISABLED`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 403, description = "`INVALID_REDIRECT_URL`", body = ErrorBody),
        (status = 429, description = "Too often", body = ErrorBody),
    )
)]
pub async fn ask(State(http): State<Http>, who: Who, Body(form): Body<AskForm>) -> Result<Json<Asked>, ApiError> {
    let redirect_to = forms::place(form.redirect_to, CallbackField::RedirectTo, Appended::Token, &who)?;
    let redirect_to = redirect_to.map(|url| url.as_str().to_owned());
    http.app.ask_for_reset(&who.caller, who.live(), &form.email, redirect_to).await?;
    Ok(Json(ASKED))
}

/// The older name of `/request-password-reset`.
#[utoipa::path(
    post, path = "/forget-password", tag = "member",
    request_body = AskForm,
    responses((status = 200, description = "Asked for; the same for every address", body = Asked), (status = 400, description = "`RESET_PASSWORD_DISABLED`, `VALIDATION_ERROR`", body = ErrorBody))
)]
pub async fn ask_as_before(http: State<Http>, who: Who, form: Body<AskForm>) -> Result<Json<Asked>, ApiError> {
    ask(http, who, form).await
}

#[derive(Debug, Deserialize)]
pub struct OpenQuery {
    #[serde(default, rename = "callbackURL")]
    callback_url: Option<String>,
}

/// The mailed link: leads to the app's page with the token, or shows one where the app named none. Uses nothing up.
#[utoipa::path(
    get, path = "/reset-password/{token}", tag = "member",
    params(
        ("token" = String, Path, description = "As mailed; one hour"),
        ("callbackURL" = Option<String>, Query, description = "The app's page"),
    ),
    responses(
        (status = 200, description = "Without `callbackURL`: a form", content_type = "text/html"),
        (status = 302, description = "To `callbackURL?token=…`, or with `?error=INVALID_TOKEN`"),
        (status = 403, description = "`INVALID_CALLBACK_URL`", body = ErrorBody),
    )
)]
pub async fn open(
    State(http): State<Http>,
    who: Who,
    Path(token): Path<String>,
    Query(query): Query<OpenQuery>,
) -> Result<Response, ApiError> {
    let place = forms::place(query.callback_url, CallbackField::CallbackUrl, Appended::Token, &who)?;
    let invalid = |place: Option<CallbackUrl>| {
        let ours = || CallbackUrl::ours(&http.app.config.public, &format!("{}/error", super::BASE_PATH));
        let place = place.unwrap_or_else(ours);
        http.redirect(place.with_param("error", "INVALID_TOKEN"))
    };
    match (http.app.reset_stands(&who.caller, &token).await, place) {
        (Ok(()), Some(place)) => Ok(http.redirect(place.with_param("token", &token))),
        (Ok(()), None) => Ok(form_page(&token, "").into_response()),
        (Err(AppError::Refused(_)), place) => Ok(invalid(place)),
        (Err(error), _) => Err(error.into()),
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = reset_password::ResetForm)]
#[serde(rename_all = "camelCase")]
pub struct ResetForm {
    new_password: String,
    /// May stand in the query instead.
    #[serde(default)]
    token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub struct TokenQuery {
    #[serde(default)]
    token: Option<String>,
}

/// Sets a new password. Ends every session; one of the same user that is presented here goes on with a new token.
#[utoipa::path(
    post, path = "/reset-password", tag = "member",
    request_body = ResetForm,
    params(("token" = Option<String>, Query, description = "As mailed, if the body has none")),
    responses(
        (status = 200, description = "Set", body = super::shape::Status),
        (status = 400, description = "`INVALID_TOKEN`, `PASSWORD_TOO_SHORT`, `PASSWORD_TOO_LONG`, `PASSWORD_TOO_COMMON`", body = ErrorBody),
        (status = 429, description = "Too often", body = ErrorBody),
    )
)]
pub async fn reset(
    State(http): State<Http>,
    who: Who,
    Query(query): Query<TokenQuery>,
    Body(form): Body<ResetForm>,
) -> Result<Response, ApiError> {
    let token = form.token.or(query.token).unwrap_or_default();
    let renewed = http.app.reset_by_link(&who.caller, who.live(), &who.claims, &token, &form.new_password).await?;
    Ok(answered(&http, &who, renewed, Json(STATUS_TRUE).into_response()))
}

fn answered(http: &Http, who: &Who, renewed: Option<SignedIn>, mut response: Response) -> Response {
    if let Some(renewed) = renewed {
        http.give_session(&mut response, who, &renewed);
    }
    response
}

/// What the page posts that the link shows where the app has none: as `/reset-password`.
#[utoipa::path(
    post, path = "/reset-password/confirm", tag = "member",
    request_body(content((ResetForm = "application/json"), (ResetForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "Set; for a page, one that says so or asks again", body = Status),
        (status = 400, description = "`INVALID_TOKEN`, `PASSWORD_TOO_SHORT`, `PASSWORD_TOO_LONG`, `PASSWORD_TOO_COMMON`", body = ErrorBody),
        (status = 429, description = "Too often", body = ErrorBody),
    )
)]
pub async fn confirm(
    State(http): State<Http>,
    who: Who,
    headers: HeaderMap,
    BodyOrForm(form): BodyOrForm<ResetForm>,
) -> Result<Response, ApiError> {
    let token = form.token.unwrap_or_default();
    let reset = http.app.reset_by_link(&who.caller, who.live(), &who.claims, &token, &form.new_password).await;
    let refusal = match reset {
        Ok(renewed) if navigates(&headers) => {
            let body =
                Markup::new().raw("<p>Your new password is set. You can close this page, and sign in with it.</p>");
            return Ok(answered(&http, &who, renewed, Page::new("Done", body).into_response()));
        }
        Ok(renewed) => return Ok(answered(&http, &who, renewed, Json(STATUS_TRUE).into_response())),
        Err(AppError::Refused(refusal)) if navigates(&headers) => refusal,
        Err(error) => return Err(error.into()),
    };
    let problem = match refusal {
        Refusal::PasswordTooShort => "<p><strong>That password is too short.</strong></p>",
        Refusal::PasswordTooLong => "<p><strong>That password is too long.</strong></p>",
        Refusal::PasswordTooCommon => "<p><strong>Too many people have that password. Choose another one.</strong></p>",
        Refusal::InvalidToken => return Ok(error_page(ApiError::from(refusal).code()).into_response()),
        _ => return Err(refusal.into()),
    };
    Ok(form_page(&token, problem).into_response())
}

fn form_page(token: &str, problem: &'static str) -> Page {
    let action = format!("{}/reset-password/confirm", super::BASE_PATH);
    let body = Markup::new()
        .raw(problem)
        .raw("<p>With it you are signed out everywhere else.</p><form method=\"post\" action=\"")
        .text(&action)
        .raw("\"><input type=\"hidden\" name=\"token\" value=\"")
        .text(token)
        .raw(
            "\"><p><label>New password<br><input type=\"password\" name=\"newPassword\" autocomplete=\"new-password\" required></label></p>\
             <p><button type=\"submit\">Set password</button></p></form>",
        );
    Page::new("Choose a new password", body)
}
