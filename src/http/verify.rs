//! The mailed verification link, and the page for whoever opens it elsewhere (CONTRACT 2.6; 3).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::forms::{self, callback_url, navigates};
use super::shape::{STATUS_TRUE, Status};
use super::state::Http;
use super::who::Who;
use crate::app::{AppError, Refusal};
use crate::wire::body::{Body, BodyOrForm, Query};
use crate::wire::callback::CallbackUrl;
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::html::{Markup, Page, error_page};

#[derive(Debug, Deserialize)]
pub struct VerifyQuery {
    #[serde(default)]
    token: String,
    #[serde(default, rename = "callbackURL")]
    callback_url: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = verify::Verified)]
pub struct Verified {
    status: bool,
    user: (),
}

/// Proves the address in the browser that claimed it. Opened again it succeeds again. Where there is no session before the
/// proof, it opens one.
#[utoipa::path(
    get, path = "/verify-email", tag = "member",
    params(
        ("token" = String, Query, description = "As mailed; 24 hours"),
        ("callbackURL" = Option<String>, Query, description = "Where to go; without it the answer is JSON"),
    ),
    responses(
        (status = 200, description = "Proven: `{status: true, user: null}`"),
        (status = 302, description = "To `callbackURL`, with `?error=INVALID_TOKEN` or `TOKEN_EXPIRED` on failure; opened elsewhere, to the page that asks for the password"),
        (status = 401, description = "`INVALID_TOKEN`, `TOKEN_EXPIRED`", body = ErrorBody),
        (status = 403, description = "`CONFIRMATION_REQUIRED`, `INVALID_CALLBACK_URL`", body = ErrorBody),
    )
)]
pub async fn verify_email(
    State(http): State<Http>,
    who: Who,
    headers: HeaderMap,
    Query(query): Query<VerifyQuery>,
) -> Result<Response, ApiError> {
    let callback = callback_url(query.callback_url, &who)?;
    let verified = http.app.verify_email(&who.caller, &query.token, &who.claims, who.live()).await;
    match (verified, callback) {
        (Ok(opened), callback) => {
            let mut response = match callback {
                Some(callback) => http.redirect_as_written(callback),
                None => Json(Verified { status: true, user: () }).into_response(),
            };
            if let Some(opened) = opened {
                http.give_session(&mut response, &who, &opened);
            }
            Ok(response)
        }
        (Err(AppError::Refused(refusal)), callback) => {
            refused(&http, refusal, Opened { token: query.token, callback, navigates: navigates(&headers) })
        }
        (Err(error), _) => Err(error.into()),
    }
}

fn refused(http: &Http, refusal: Refusal, opened: Opened) -> Result<Response, ApiError> {
    let Opened { token, callback, navigates } = opened;
    let said = ApiError::from(refusal);
    if refusal == Refusal::ConfirmationRequired {
        let page = confirm_page(http, &token, callback.as_ref());
        return match callback {
            None if !navigates => Err(said.details(serde_json::json!({ "url": page.as_str() }))),
            _ => Ok(http.redirect(page)),
        };
    }
    match callback {
        Some(callback) => Ok(http.redirect_as_written(callback.with_param("error", said.code()))),
        None if matches!(refusal, Refusal::InvalidToken | Refusal::TokenExpired) => {
            Err(said.with_status(StatusCode::UNAUTHORIZED))
        }
        None => Err(said),
    }
}

/// A link as it was opened.
struct Opened {
    token: String,
    callback: Option<CallbackUrl>,
    navigates: bool,
}

fn confirm_page(http: &Http, token: &str, callback: Option<&CallbackUrl>) -> CallbackUrl {
    let page = CallbackUrl::ours(&http.app.config.public, &format!("{}/verify-email/confirm", super::BASE_PATH));
    let page = page.with_param("token", token);
    match callback {
        Some(callback) => page.with_param("callbackURL", callback.as_str()),
        None => page,
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = verify::SendForm)]
pub struct SendForm {
    #[schema(example = "jane@example.com")]
    email: String,
    #[serde(default, rename = "callbackURL")]
    callback_url: Option<String>,
}

/// Mails another verification link; the one before is void.
#[utoipa::path(
    post, path = "/send-verification-email", tag = "member",
    request_body = SendForm,
    responses(
        (status = 200, description = "Asked for; without a session the same for every address", body = Status),
        (status = 400, description = "`EMAIL_MISMATCH`, `EMAIL_ALREADY_VERIFIED`, with a session; `VALIDATION_ERROR`", body = ErrorBody),
        (status = 429, description = "Too often", body = ErrorBody),
    )
)]
pub async fn send(State(http): State<Http>, who: Who, Body(form): Body<SendForm>) -> Result<Json<Status>, ApiError> {
    let callback = callback_url(form.callback_url, &who)?.map(|url| url.as_str().to_owned());
    http.app.send_verification(&who.caller, who.live(), &form.email, callback).await?;
    Ok(Json(STATUS_TRUE))
}

/// The page for a link that was opened outside the browser in which the address was given.
#[utoipa::path(
    get, path = "/verify-email/confirm", tag = "member",
    params(("token" = String, Query, description = "As mailed"), ("callbackURL" = Option<String>, Query, description = "Where to go then")),
    responses((status = 200, description = "A form", content_type = "text/html"))
)]
pub async fn ask(State(http): State<Http>, who: Who, Query(query): Query<VerifyQuery>) -> Result<Response, ApiError> {
    let callback = callback_url(query.callback_url, &who)?;
    match http.app.verification_stands(&who.caller, &query.token).await {
        Ok(()) => Ok(form_page(&http, &query.token, callback.as_ref(), "").into_response()),
        Err(AppError::Refused(refusal)) => Ok(error_page(ApiError::from(refusal).code()).into_response()),
        Err(error) => Err(error.into()),
    }
}

fn form_page(http: &Http, token: &str, callback: Option<&CallbackUrl>, problem: &'static str) -> Page {
    let action = format!("{}/verify-email/confirm", super::BASE_PATH);
    let hidden = |name: &'static str, value: &str| {
        Markup::new().raw("<input type=\"hidden\" name=\"").raw(name).raw("\" value=\"").text(value).raw("\">")
    };
    let mut fields = hidden("token", token);
    if let Some(callback) = callback {
        fields = fields.then(hidden("callbackURL", callback.as_str()));
    }
    let form = |inside: Markup| {
        Markup::new()
            .raw("<form method=\"post\" action=\"")
            .text(&action)
            .raw("\">")
            .then(fields.clone())
            .then(inside)
            .raw("</form>")
    };
    let body = Markup::new()
        .raw("<p>You opened this link in another browser than the one in which the address was given.</p>")
        .raw(problem)
        .raw("<p>If it was you, confirm with the password you gave there. You are not signed in here.</p>")
        .then(form(Markup::new().raw(
            "<p><label>Password<br><input type=\"password\" name=\"password\" autocomplete=\"current-password\" required></label></p>\
             <p><button type=\"submit\">Confirm</button></p>",
        )))
        .raw("<p>If it was not you, nobody has to use your address.</p>")
        .then(form(hidden("disown", "true").raw("<p><button type=\"submit\">It was not me</button></p>")));
    let mut page = Page::new("Is this your address?", body);
    if let Some(origin) = callback.and_then(CallbackUrl::origin) {
        page = page.form_may_lead_to(&origin);
    }
    match &http.app_origin {
        Some(app) => page.form_may_lead_to(app),
        None => page,
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = verify::ConfirmForm)]
pub struct ConfirmForm {
    /// As mailed. Without it, the password is that of before the account was taken over, and is restored.
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    password: Option<String>,
    /// The reader of the mail does not know the account: the address is freed.
    #[serde(default)]
    disown: Option<bool>,
    #[serde(default, rename = "callbackURL")]
    callback_url: Option<String>,
}

/// What the page posts. Five wrong passwords void the link. In the session of somebody who took an account over, a
/// password without a token restores the one of before.
#[utoipa::path(
    post, path = "/verify-email/confirm", tag = "member",
    request_body(content((ConfirmForm = "application/json"), (ConfirmForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "Done", body = Status),
        (status = 302, description = "To `callbackURL`, for a page"),
        (status = 400, description = "`INVALID_TOKEN`, `TOKEN_EXPIRED`, `INVALID_PASSWORD`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 429, description = "Too often", body = ErrorBody),
    )
)]
pub async fn confirm(
    State(http): State<Http>,
    who: Who,
    headers: HeaderMap,
    BodyOrForm(form): BodyOrForm<ConfirmForm>,
) -> Result<Response, ApiError> {
    let callback = callback_url(form.callback_url, &who)?;
    let token = form.token.as_deref().unwrap_or_default();
    let done = match (&form.token, form.password.as_deref()) {
        (Some(token), _) if form.disown == Some(true) => http.app.disown(&who.caller, token).await,
        (Some(token), Some(password)) => http.app.verify_with_password(&who.caller, token, password).await,
        (None, Some(password)) => http.app.restore_password(&who.caller, who.session()?, password).await,
        (_, None) => return Err(forms::unfit("password", "is missing")),
    };
    let page = navigates(&headers);
    match (done, callback) {
        (Ok(()), Some(callback)) if page => Ok(http.redirect_as_written(callback)),
        (Ok(()), _) if page => {
            let body = Markup::new().raw("<p>You can close this page.</p>");
            Ok(Page::new("Done", body).into_response())
        }
        (Ok(()), _) => Ok(Json(STATUS_TRUE).into_response()),
        (Err(AppError::Refused(Refusal::InvalidPassword)), callback) if page => {
            let problem = "<p><strong>That is not the password.</strong></p>";
            Ok(form_page(&http, token, callback.as_ref(), problem).into_response())
        }
        (Err(AppError::Refused(refusal @ (Refusal::InvalidToken | Refusal::TokenExpired))), _) if page => {
            Ok(error_page(ApiError::from(refusal).code()).into_response())
        }
        (Err(error), _) => Err(error.into()),
    }
}
