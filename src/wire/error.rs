//! The one shape of every error: `{"code", "message"}` with optional `details` and `errors`.
//!
//! Clients read code, message and status, so a plain-text error would reach the app without a message. Whatever
//! rejects a request, down to an extractor or a missing route, answers through [`ApiError`].

use std::borrow::Cow;
use std::fmt;

use axum::response::{IntoResponse, Response};
use chrysalis_domain::id::UserId;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// `Retry-After` for clients that a proxy or a browser keeps from reading the standard header.
const X_RETRY_AFTER: HeaderName = HeaderName::from_static("x-retry-after");

/// The JSON body of every error.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ErrorBody {
    /// What went wrong, for programs: upper-case words joined by underscores.
    #[schema(value_type = String, example = "UNAUTHORIZED")]
    pub code: Cow<'static, str>,
    /// What went wrong, for people.
    #[schema(value_type = String, example = "Unauthorized")]
    pub message: Cow<'static, str>,
    /// Whatever else a caller needs to act on this code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub details: Option<Value>,
    /// The fields at fault, with `VALIDATION_ERROR`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
}

/// One field that can't be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Path of the field in the body or query, e.g. `entry.channel` or `scopes[2]`.
    pub field: String,
    /// What the field must be. Never repeats the value, which may be a secret.
    pub message: String,
    /// `REQUIRED`, `INVALID_TYPE`, `INVALID_VALUE` or `UNKNOWN_FIELD`.
    #[schema(value_type = String)]
    pub code: &'static str,
}

/// An answer that is an error: status, body and headers. One pointer wide, so that `Result<T, ApiError>` stays small.
#[derive(Clone, Debug)]
pub struct ApiError(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    status: StatusCode,
    body: ErrorBody,
    retry_after: Option<u32>,
    headers: HeaderMap,
    rests_on_settings: bool,
    about: Option<UserId>,
}

/// Stands in the extensions of an answer that is an error: for whoever counts them.
#[derive(Clone, Debug)]
pub struct Refused {
    pub code: Cow<'static, str>,
    /// Whose account it was about, as far as the answer itself doesn't tell.
    pub about: Option<UserId>,
}

/// Stands in the extensions of an answer that is right only for as long as the settings are those it was made by.
#[derive(Clone, Copy, Debug)]
pub struct RestsOnSettings;

impl ApiError {
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        let body = ErrorBody { code: code.into(), message: message.into(), details: None, errors: Vec::new() };
        let headers = HeaderMap::new();
        Self(Box::new(Parts { status, body, retry_after: None, headers, rests_on_settings: false, about: None }))
    }

    /// 429. `seconds` until a retry may succeed; at least 1 is sent, so that no client retries in a tight loop.
    pub fn rate_limited(seconds: u32) -> Self {
        let seconds = seconds.max(1);
        Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", "Rate limit exceeded.")
            .retry_after(seconds)
            .details(json!({ "tryAgainIn": seconds }))
    }

    /// 503, e.g. a full password-hash queue. `seconds` until a retry makes sense, at least 1.
    pub fn service_unavailable(seconds: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", "Service unavailable").retry_after(seconds)
    }

    /// 403: the key is good, and not for this.
    pub fn insufficient_permission(permission: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "INSUFFICIENT_PERMISSION", "Insufficient permission")
            .details(json!({ "permission": permission }))
    }

    /// 400 `VALIDATION_ERROR`; the message names the first field, for clients that show nothing else.
    pub fn validation(errors: Vec<FieldError>) -> Self {
        let message = match errors.first() {
            Some(first) if !first.field.is_empty() => format!("{}: {}", first.field, first.message),
            Some(first) => first.message.clone(),
            None => "Validation failed".to_owned(),
        };
        let mut error = Self::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message);
        error.0.body.errors = errors;
        error
    }

    /// The same error under another status, where a path asks for it (422 instead of 400, say).
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    pub fn details(mut self, details: Value) -> Self {
        self.0.body.details = Some(details);
        self
    }

    /// Adds a header to the answer; several of one name may stand, as `Set-Cookie` needs.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    /// See [`RestsOnSettings`].
    pub fn resting_on_settings(mut self, rests: bool) -> Self {
        self.0.rests_on_settings = rests;
        self
    }

    /// See [`Refused`].
    pub fn about(mut self, account: Option<UserId>) -> Self {
        self.0.about = account;
        self
    }

    /// Whole seconds, at least 1. With 429 it is sent as `X-Retry-After` too.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds.max(1));
        self
    }

    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    pub fn code(&self) -> &str {
        &self.0.body.code
    }

    pub fn message(&self) -> &str {
        &self.0.body.message
    }

    pub fn body(&self) -> &ErrorBody {
        &self.0.body
    }
}

/// Errors that any path may answer: a constructor each, and [`COMMON`] to check them by.
macro_rules! common {
    ($($name:ident $status:ident $code:literal $message:literal;)*) => {
        impl ApiError {
            $(#[doc = concat!("`", $code, "`: \"", $message, "\".")]
            pub fn $name() -> Self {
                Self::new(StatusCode::$status, $code, $message)
            })*
        }

        /// Status, code and message of every error that any path may answer.
        pub const COMMON: &[(StatusCode, &str, &str)] = &[$((StatusCode::$status, $code, $message)),*];
    };
}

common! {
    bad_request              BAD_REQUEST            "BAD_REQUEST"              "Invalid JSON in request body";
    body_must_be_an_object   BAD_REQUEST            "BODY_MUST_BE_AN_OBJECT"   "Request body must be a JSON object";
    email_password_disabled  BAD_REQUEST            "EMAIL_PASSWORD_DISABLED"  "Email and password is not enabled";
    user_is_anonymous        BAD_REQUEST            "USER_IS_ANONYMOUS"        "Upgrade this account first";
    password_too_short       BAD_REQUEST            "PASSWORD_TOO_SHORT"       "Password too short";
    password_too_long        BAD_REQUEST            "PASSWORD_TOO_LONG"        "Password too long";
    password_too_common      BAD_REQUEST            "PASSWORD_TOO_COMMON"      "Password too common";
    invalid_token            BAD_REQUEST            "INVALID_TOKEN"            "Invalid token";
    unauthorized             UNAUTHORIZED           "UNAUTHORIZED"             "Unauthorized";
    invalid_api_key          UNAUTHORIZED           "INVALID_API_KEY"          "Invalid API key";
    project_scope_mismatch   FORBIDDEN              "PROJECT_SCOPE_MISMATCH"   "The key is of another project";
    forbidden                FORBIDDEN              "FORBIDDEN"                "Forbidden";
    email_not_verified       FORBIDDEN              "EMAIL_NOT_VERIFIED"       "Email not verified";
    session_not_fresh        FORBIDDEN              "SESSION_NOT_FRESH"        "Session is not fresh";
    banned_user              FORBIDDEN              "BANNED_USER"              "You have been banned from this application. Please contact support if you believe this is an error.";
    impersonation_not_allowed FORBIDDEN             "IMPERSONATION_NOT_ALLOWED" "Not allowed while impersonating";
    not_found                NOT_FOUND              "NOT_FOUND"                "Not found";
    user_not_found           NOT_FOUND              "USER_NOT_FOUND"           "User not found";
    provider_not_found       NOT_FOUND              "PROVIDER_NOT_FOUND"       "Provider not found";
    method_not_allowed       METHOD_NOT_ALLOWED     "METHOD_NOT_ALLOWED"       "Method not allowed";
    payload_too_large        PAYLOAD_TOO_LARGE      "PAYLOAD_TOO_LARGE"        "Request body too large";
    unsupported_media_type   UNSUPPORTED_MEDIA_TYPE "UNSUPPORTED_MEDIA_TYPE"   "Content-Type not allowed";
    internal                 INTERNAL_SERVER_ERROR  "INTERNAL_SERVER_ERROR"    "Internal server error";
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.0.status.as_u16(), self.0.body.code, self.0.body.message)
    }
}

impl std::error::Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Parts { status, body, retry_after, headers, rests_on_settings, about } = *self.0;
        // Strings and JSON values always serialise; were it otherwise, a code is still better than an empty answer.
        let json = serde_json::to_vec(&body)
            .unwrap_or_else(|_| br#"{"code":"INTERNAL_SERVER_ERROR","message":"Internal server error"}"#.to_vec());
        let mut response = (status, json).into_response();
        if rests_on_settings {
            response.extensions_mut().insert(RestsOnSettings);
        }
        response.extensions_mut().insert(Refused { code: body.code, about });
        let out = response.headers_mut();
        out.extend(headers);
        out.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = retry_after {
            out.insert(RETRY_AFTER, seconds.into());
            if status == StatusCode::TOO_MANY_REQUESTS {
                out.insert(X_RETRY_AFTER, seconds.into());
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn answer(error: ApiError) -> (StatusCode, HeaderMap, Value) {
        let (head, body) = error.into_response().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn a_plain_error_is_code_and_message_and_nothing_else() {
        let (status, headers, body) = answer(ApiError::unauthorized()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(headers[CONTENT_TYPE], "application/json");
        assert_eq!(body, json!({ "code": "UNAUTHORIZED", "message": "Unauthorized" }));
    }

    #[tokio::test]
    async fn a_limit_says_when_to_come_back_three_times_and_never_now() {
        for (given, sent) in [(0, 1), (1, 1), (42, 42)] {
            let (status, headers, body) = answer(ApiError::rate_limited(given)).await;
            assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(headers["retry-after"], sent.to_string());
            assert_eq!(headers["x-retry-after"], sent.to_string());
            let expected =
                json!({ "code": "RATE_LIMITED", "message": "Rate limit exceeded.", "details": { "tryAgainIn": sent } });
            assert_eq!(body, expected);
        }
    }

    #[tokio::test]
    async fn unavailable_has_retry_after_only() {
        let (_, headers, body) = answer(ApiError::service_unavailable(2)).await;
        assert_eq!(headers["retry-after"], "2");
        assert!(!headers.contains_key("x-retry-after"));
        assert_eq!(body["message"], "Service unavailable");
    }

    #[tokio::test]
    async fn field_errors_and_headers_travel_along() {
        let field = FieldError { field: "email".into(), message: "Required".into(), code: "REQUIRED" };
        let error = ApiError::validation(vec![field])
            .header(http::header::SET_COOKIE, HeaderValue::from_static("a=1"))
            .header(http::header::SET_COOKIE, HeaderValue::from_static("b=2"));
        let (status, headers, body) = answer(error).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
        assert_eq!(body["code"], "VALIDATION_ERROR");
        assert_eq!(body["errors"], json!([{ "field": "email", "message": "Required", "code": "REQUIRED" }]));
    }

    #[test]
    fn codes_are_unique() {
        let mut codes: Vec<_> = COMMON.iter().map(|row| row.1).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), COMMON.len());
    }
}
