//! Another address for a member, and the way back (CONTRACT 3). The link that is mailed to the new address is opened at
//! `/verify-email`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use super::forms::{callback_url, navigates, unfit};
use super::shape::{STATUS_TRUE, Status};
use super::state::Http;
use super::who::Who;
use crate::app::{AppError, Refusal};
use crate::wire::body::{Body, BodyOrForm, Query};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::html::{Markup, Page, error_page};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeForm {
    #[schema(example = "jane@new.example.com")]
    new_email: String,
    /// Where the mailed link leads after the proof.
    #[serde(default, rename = "callbackURL")]
    callback_url: Option<String>,
}

/// Mails a link to the new address. It takes effect when that is opened in this session, or elsewhere with the password.
#[utoipa::path(
    post, path = "/change-email", tag = "user",
    request_body = ChangeForm,
    responses(
        (status = 200, description = "Asked for; the same for a free address and a taken one", body = Status),
        (status = 400, description = "`EMAIL_IS_THE_SAME`, `VALIDATION_ERROR`, `CHANGE_EMAIL_DISABLED`, `USER_IS_ANONYMOUS`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody),
        (status = 403, description = "`SESSION_NOT_FRESH`, `INVALID_CALLBACK_URL`", body = ErrorBody),
    )
)]
pub async fn ask(State(http): State<Http>, who: Who, Body(form): Body<ChangeForm>) -> Result<Json<Status>, ApiError> {
    let presented = who.session()?;
    let callback = callback_url(form.callback_url, &who)?.map(|url| url.as_str().to_owned());
    match http.app.ask_for_email_change(&who.caller, presented, &form.new_email, callback).await {
        Err(AppError::Refused(Refusal::InvalidEmail)) => Err(unfit("newEmail", "is no e-mail address")),
        asked => Ok(asked.map(|()| Json(STATUS_TRUE))?),
    }
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct UndoForm {
    /// As mailed to the old address.
    #[serde(default)]
    token: String,
}

/// The page behind the link in the mail to the old address. It uses nothing up.
#[utoipa::path(
    get, path = "/change-email/undo", tag = "user",
    params(("token" = String, Query, description = "As mailed; 7 days")),
    responses((status = 200, description = "A form that posts to the same address"))
)]
pub async fn undo_page(State(http): State<Http>, who: Who, Query(form): Query<UndoForm>) -> Result<Response, ApiError> {
    match http.app.undo_stands(&who.caller, &form.token).await {
        Ok(()) => {}
        Err(AppError::Refused(refusal)) => return Ok(error_page(ApiError::from(refusal).code()).into_response()),
        Err(error) => return Err(error.into()),
    }
    let body = Markup::new()
        .raw("<p>The account that had your address has another one now.</p>")
        .raw("<p>If that was not you, take it back: your address is the account's again, and whoever is signed in to it is signed out. Then set a new password.</p>")
        .raw("<form method=\"post\" action=\"")
        .text(&format!("{}/change-email/undo", super::BASE_PATH))
        .raw("\"><input type=\"hidden\" name=\"token\" value=\"")
        .text(&form.token)
        .raw("\"><p><button type=\"submit\">Take it back</button></p></form>");
    Ok(Page::new("Take your account back?", body).into_response())
}

/// Makes the old address the account's again, and ends every session.
#[utoipa::path(
    post, path = "/change-email/undo", tag = "user",
    request_body(content((UndoForm = "application/json"), (UndoForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "Done; a page for a form", body = Status),
        (status = 400, description = "`INVALID_TOKEN`, `TOKEN_EXPIRED`", body = ErrorBody),
    )
)]
pub async fn undo(
    State(http): State<Http>,
    who: Who,
    headers: HeaderMap,
    BodyOrForm(form): BodyOrForm<UndoForm>,
) -> Result<Response, ApiError> {
    let page = navigates(&headers);
    match http.app.undo_email_change(&who.caller, &form.token).await {
        Ok(()) if page => {
            let body = Markup::new().raw(
                "<p>The address is the account's again, and every session has ended. Now set a new password: ask for a link where you sign in.</p>",
            );
            Ok(Page::new("Done", body).into_response())
        }
        Ok(()) => Ok(Json(STATUS_TRUE).into_response()),
        Err(AppError::Refused(refusal @ (Refusal::InvalidToken | Refusal::TokenExpired))) if page => {
            Ok(error_page(ApiError::from(refusal).code()).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
