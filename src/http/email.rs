//! Signing up and in by e-mail and password (CONTRACT 3).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::LOCATION;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::forms::{self, callback_url};
use super::refusal::with_invalid_email;
use super::shape::{Session, SignedInBody, Transfer, User};
use super::state::Http;
use super::who::Who;
use crate::app::sign_up::SignedUp;
use crate::app::upgrade::PasswordForm;
use crate::app::{AppError, Refusal};
use crate::wire::body::BodyOrForm;
use crate::wire::error::{ApiError, ErrorBody};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignUpForm {
    /// May be empty.
    name: String,
    #[schema(example = "jane@example.com")]
    email: String,
    #[schema(example = "securePassword123")]
    password: String,
    #[serde(default)]
    image: Option<String>,
    /// Where the mailed link leads after the proof.
    #[serde(default, rename = "callbackURL")]
    callback_url: Option<String>,
    #[serde(default)]
    remember_me: Option<bool>,
}

/// Makes a member. A guest who signs up with a new address becomes one in place.
#[utoipa::path(
    post, path = "/sign-up/email", tag = "member",
    request_body = SignUpForm,
    responses(
        (status = 200, description = "The member; `token` and `session` are null while the address has to be proven first", body = SignedInBody),
        (status = 400, description = "`VALIDATION_ERROR`, `PASSWORD_TOO_SHORT`, `PASSWORD_TOO_LONG`, `PASSWORD_TOO_COMMON`, `EMAIL_PASSWORD_DISABLED`, `EMAIL_PASSWORD_SIGN_UP_DISABLED`", body = ErrorBody),
        (status = 422, description = "`USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL`", body = ErrorBody),
        (status = 429, description = "Too often", body = ErrorBody),
    )
)]
pub async fn sign_up(
    State(http): State<Http>,
    who: Who,
    BodyOrForm(form): BodyOrForm<SignUpForm>,
) -> Result<Response, ApiError> {
    let form = PasswordForm {
        email: Some(form.email),
        password: Some(form.password),
        name: forms::name(Some(form.name))?,
        image: forms::image(form.image)?,
        callback_url: callback_url(form.callback_url, &who)?.map(|url| url.as_str().to_owned()),
        remember: form.remember_me.unwrap_or(true),
    };
    match http.app.sign_up(&who.caller, who.live(), form).await.map_err(said_of_a_sign_up)? {
        SignedUp::In(signed_in) => Ok(http.signed_in(&who, &signed_in)),
        SignedUp::Mailed(asked) => {
            let mut response = Json(NobodyYet::default()).into_response();
            if let Some(challenge) = asked {
                http.asked_cookie(&mut response, challenge);
            }
            Ok(response)
        }
        SignedUp::AwaitingProof { user, claim } => {
            let mut response =
                Json(SignedInBody { token: None, user: User::new(user, false), session: None, transfer: None })
                    .into_response();
            if let Some(claim) = claim {
                http.claim_cookie(&mut response, claim);
            }
            Ok(response)
        }
    }
}

/// What is answered where nobody is told which addresses are taken: all of it is null.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct NobodyYet {
    token: (),
    user: (),
    session: (),
}

/// The path decides the words: a taken address is 422 here.
fn said_of_a_sign_up(error: AppError) -> ApiError {
    match error {
        AppError::Refused(Refusal::EmailInUse) => ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL",
            "User already exists. Use another email.",
        ),
        error => error.into(),
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = email::SignInForm)]
#[serde(rename_all = "camelCase")]
pub struct SignInForm {
    #[schema(example = "jane@example.com")]
    email: String,
    #[schema(example = "securePassword123")]
    password: String,
    #[serde(default, rename = "callbackURL")]
    callback_url: Option<String>,
    /// False: the session ends with the browser, or after a day.
    #[serde(default)]
    remember_me: Option<bool>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SignInBody {
    /// With a `callbackURL`: the client is to go to `url`.
    redirect: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    token: Option<String>,
    user: User,
    session: Option<Session>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer: Option<Transfer>,
}

/// Opens a session on an existing account. A guest's own session, if the caller has one, is left alone.
#[utoipa::path(
    post, path = "/sign-in/email", tag = "member",
    request_body = SignInForm,
    responses(
        (status = 200, description = "Signed in", body = SignInBody),
        (status = 400, description = "`INVALID_EMAIL`, `PASSWORD_TOO_LONG`, `EMAIL_PASSWORD_DISABLED`", body = ErrorBody),
        (status = 401, description = "`INVALID_EMAIL_OR_PASSWORD`, for whatever reason", body = ErrorBody),
        (status = 403, description = "`EMAIL_NOT_VERIFIED`, with the right password only", body = ErrorBody),
        (status = 429, description = "Too often", body = ErrorBody),
    )
)]
pub async fn sign_in(
    State(http): State<Http>,
    who: Who,
    BodyOrForm(form): BodyOrForm<SignInForm>,
) -> Result<Response, ApiError> {
    let callback = callback_url(form.callback_url, &who)?;
    let signed_in = http
        .app
        .sign_in(&who.caller, who.live(), &form.email, &form.password, form.remember_me.unwrap_or(true))
        .await
        .map_err(with_invalid_email)?;
    let SignedInBody { token, user, session, transfer } = signed_in.clone().into();
    let url = callback.as_ref().map(|callback| callback.as_str().to_owned());
    let mut response =
        Json(SignInBody { redirect: url.is_some(), url, token, user, session, transfer }).into_response();
    if let Some(callback) = callback {
        // Still 200: the client goes there by itself.
        response.headers_mut().insert(LOCATION, callback.location());
    }
    http.give_session(&mut response, &who, &signed_in);
    Ok(response)
}
