//! Moving what a guest did to the account that its browser signed in to (CONTRACT 2.5, 9).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shape::User;
use super::state::Http;
use super::who::Who;
use crate::wire::body::Body;
use crate::wire::cookie::CookieKind;
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::jar::Jar;

#[derive(Debug, Deserialize, ToSchema)]
pub struct TransferForm {
    /// Without it, the one in the cookie.
    #[serde(default)]
    ticket: Option<String>,
    /// Tell what would be moved, and move nothing.
    #[serde(default)]
    preview: Option<bool>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transferred {
    /// False for a preview.
    transferred: bool,
    /// The account that has it now.
    user_id: String,
    /// The guest as it was: its id is what an app moves its own data by.
    guest: User,
}

/// Redeems a ticket in a session of the account that it was given for. Redeemed again it answers the same and does nothing.
#[utoipa::path(
    post, path = "/anonymous/transfer", tag = "guest",
    request_body = TransferForm,
    responses(
        (status = 200, description = "Moved, or what would be", body = Transferred),
        (status = 400, description = "`INVALID_TOKEN`: not for this account, used for another, or the guest became a member of its own; `TOKEN_EXPIRED`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `ANONYMOUS_SESSION_EXPIRED`", body = ErrorBody),
    )
)]
pub async fn transfer(
    State(http): State<Http>,
    who: Who,
    headers: HeaderMap,
    Body(form): Body<TransferForm>,
) -> Result<Response, ApiError> {
    let presented = who.receiving()?;
    let cookie = || Jar::parse(&headers, &http.cookies).verified(CookieKind::Transfer, &http.signer).pop();
    let ticket = form.ticket.or_else(cookie).unwrap_or_default();
    let preview = form.preview.unwrap_or(false);
    let redeemed = http.app.transfer(&who.caller, presented, &ticket, preview).await?;
    let body = Transferred {
        transferred: redeemed.done,
        user_id: redeemed.account.to_string(),
        guest: User::new(redeemed.guest, false),
    };
    let mut response = Json(body).into_response();
    if redeemed.done {
        http.delete(&mut response, CookieKind::Transfer);
    }
    Ok(response)
}
