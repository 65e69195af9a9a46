//! Tokens for other services, and the keys they are checked by (CONTRACT 8).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrysalis_projections::sessions::SessionRow;
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use serde::Serialize;
use utoipa::ToSchema;

use super::state::Http;
use super::who::Who;
use crate::app::identify::Presented;
use crate::app::view::UserView;
use crate::log::LogFault;
use crate::tokens::{Jwk, claims_of};
use crate::wire::error::{ApiError, ErrorBody};

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Token {
    token: String,
}

/// A JWT for the caller's session: 15 minutes, a guest's 5.
#[utoipa::path(
    get, path = "/token", tag = "session",
    responses((status = 200, description = "The token", body = Token), (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody))
)]
pub async fn token(State(http): State<Http>, who: Who) -> Result<Json<Token>, ApiError> {
    let token = http.token(&who, who.session()?).await?;
    Ok(Json(Token { token: token.to_str().unwrap_or_default().to_owned() }))
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

/// How long anybody may keep the keys: well below the hour in which a new one is published before it signs.
const KEEP: HeaderValue = HeaderValue::from_static("public, max-age=900");

/// The public keys that tokens are checked by.
#[utoipa::path(
    get, path = "/jwks", tag = "session",
    responses((status = 200, description = "A JWK Set (RFC 7517)", body = Jwks))
)]
pub async fn jwks(State(http): State<Http>) -> Result<Response, ApiError> {
    let keys = http.tokens.public_keys().await?;
    let mut response = Json(Jwks { keys }).into_response();
    response.headers_mut().insert(CACHE_CONTROL, KEEP);
    Ok(response)
}

impl Http {
    async fn token(&self, who: &Who, presented: &Presented) -> Result<HeaderValue, LogFault> {
        let row = &presented.row;
        let user = self.app.view_user(&row.user).map_err(|error| LogFault::Bug(error.to_string()))?;
        self.token_for(who, row, &user).await
    }

    /// For a user that was opened already.
    pub(super) async fn token_for(
        &self,
        who: &Who,
        row: &SessionRow,
        user: &UserView,
    ) -> Result<HeaderValue, LogFault> {
        let life = who.caller.settings.sessions.access_token_duration;
        self.tokens.token(row, &claims_of(row, user), life).await
    }
}
