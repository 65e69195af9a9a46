//! How each refusal is said on the wire: status, code and message, in one table.

use http::StatusCode;

use super::forms;
use crate::app::update_user::UpdateError;
use crate::app::{AppError, Refusal};
use crate::log::LogFault;
use crate::wire::error::ApiError;

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Refused(refusal) => refusal.into(),
            AppError::SettingsMoved => ApiError::service_unavailable(1).resting_on_settings(true),
            AppError::Unavailable { retry_after } => ApiError::service_unavailable(seconds(retry_after)),
            AppError::Fault(fault) => fault.into(),
        }
    }
}

impl From<UpdateError> for ApiError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::TooLarge { field, max } => forms::unfit(field, format!("takes at most {} KB", max / 1024)),
            UpdateError::App(error) => error.into(),
        }
    }
}

impl From<LogFault> for ApiError {
    fn from(fault: LogFault) -> Self {
        match AppError::from(fault) {
            AppError::Fault(fault) => {
                tracing::error!(%fault, "a call failed");
                ApiError::internal()
            }
            other => other.into(),
        }
    }
}

/// What is wrong, on a path that has a code of its own for what is no address: elsewhere that is a field like any other.
pub fn with_invalid_email(error: AppError) -> ApiError {
    match error {
        AppError::Refused(Refusal::InvalidEmail) => {
            ApiError::new(StatusCode::BAD_REQUEST, "INVALID_EMAIL", "Invalid email")
        }
        error => error.into(),
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let said = |status, code: &'static str, message: &'static str| ApiError::new(status, code, message);
        use StatusCode as S;
        let error = match refusal {
            Refusal::AnonymousDisabled => {
                said(S::BAD_REQUEST, "ANONYMOUS_AUTH_DISABLED", "Anonymous authentication is disabled")
            }
            Refusal::PasswordDisabled => ApiError::email_password_disabled(),
            Refusal::SignUpClosed => {
                said(S::BAD_REQUEST, "EMAIL_PASSWORD_SIGN_UP_DISABLED", "Email and password sign up is not enabled")
            }
            Refusal::SessionNotLive => ApiError::unauthorized(),
            Refusal::NotAnonymous => not_anonymous(),
            Refusal::InvalidEmail => super::forms::unfit("email", "is no e-mail address"),
            Refusal::PasswordTooShort => ApiError::password_too_short(),
            Refusal::PasswordTooLong => ApiError::password_too_long(),
            Refusal::PasswordTooCommon => ApiError::password_too_common(),
            Refusal::MagicLinkDisabled => said(S::BAD_REQUEST, "MAGIC_LINK_DISABLED", "Magic link is not enabled"),
            Refusal::EmailOtpDisabled => said(S::BAD_REQUEST, "EMAIL_OTP_DISABLED", "Email OTP is not enabled"),
            Refusal::ResetDisabled => said(S::BAD_REQUEST, "RESET_PASSWORD_DISABLED", "Reset password is not enabled"),
            Refusal::SignUpDisabled => said(S::BAD_REQUEST, "SIGN_UP_DISABLED", "Sign up is not enabled"),
            Refusal::InvalidOtp => said(S::BAD_REQUEST, "INVALID_OTP", "Invalid OTP"),
            Refusal::OtpExpired => said(S::BAD_REQUEST, "OTP_EXPIRED", "OTP expired"),
            Refusal::TooManyAttempts => said(S::FORBIDDEN, "TOO_MANY_ATTEMPTS", "Too many attempts"),
            // Tried again by whoever meets it; if all tries end here, it is a storm.
            Refusal::AddressMoved => ApiError::service_unavailable(1),
            Refusal::TooMuchAtOnce => {
                said(S::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "This is more than can be stored at once")
            }
            Refusal::EmailInUse => said(S::CONFLICT, "EMAIL_ALREADY_IN_USE", "Email already in use"),
            Refusal::InvalidEmailOrPassword(account) => {
                said(S::UNAUTHORIZED, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password").about(account)
            }
            Refusal::InvalidPassword => said(S::BAD_REQUEST, "INVALID_PASSWORD", "Invalid password"),
            Refusal::EmailNotVerified => ApiError::email_not_verified(),
            Refusal::NoPassword => said(S::BAD_REQUEST, "CREDENTIAL_ACCOUNT_NOT_FOUND", "Credential account not found"),
            Refusal::PasswordAlreadySet => {
                said(S::BAD_REQUEST, "PASSWORD_ALREADY_SET", "User already has a password set")
            }
            Refusal::Anonymous => said(S::BAD_REQUEST, "USER_IS_ANONYMOUS", "Upgrade this account first"),
            Refusal::EmailMismatch => said(S::BAD_REQUEST, "EMAIL_MISMATCH", "Email mismatch"),
            Refusal::EmailAlreadyVerified => {
                said(S::BAD_REQUEST, "EMAIL_ALREADY_VERIFIED", "Email is already verified")
            }
            Refusal::ChangeEmailDisabled => said(S::BAD_REQUEST, "CHANGE_EMAIL_DISABLED", "Change email is disabled"),
            Refusal::EmailIsTheSame => said(S::BAD_REQUEST, "EMAIL_IS_THE_SAME", "Email is the same"),
            Refusal::NotFresh => said(S::FORBIDDEN, "SESSION_NOT_FRESH", "Session is not fresh"),
            Refusal::SessionNotFresh => {
                said(S::BAD_REQUEST, "SESSION_EXPIRED", "Session expired. Re-authenticate to perform this action.")
            }
            Refusal::DeletionDisabled => ApiError::not_found(),
            Refusal::IdempotencyKeyReused => {
                said(S::CONFLICT, "IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used before; take a new one")
            }
            Refusal::ChallengeRequired => {
                said(S::FORBIDDEN, "CHALLENGE_REQUIRED", "Show that you are no bot before a guest session is created")
            }
            Refusal::ChallengeFailed => {
                said(S::FORBIDDEN, "CHALLENGE_FAILED", "What was shown is not good, or was used before; start anew")
            }
            Refusal::InvalidToken => ApiError::invalid_token(),
            Refusal::TokenExpired => said(S::BAD_REQUEST, "TOKEN_EXPIRED", "Token expired"),
            Refusal::TooManyProviders => {
                super::forms::unfit("providerId", "is one more than there may be: delete another first")
            }
            Refusal::ProviderNotFound => said(S::NOT_FOUND, "PROVIDER_NOT_FOUND", "Provider not found"),
            Refusal::IdTokenNotSupported => said(S::NOT_FOUND, "ID_TOKEN_NOT_SUPPORTED", "id_token not supported"),
            Refusal::AlreadyLinked => {
                said(S::CONFLICT, "SOCIAL_ACCOUNT_ALREADY_LINKED", "Social account already linked")
            }
            Refusal::AccountNotFound => said(S::BAD_REQUEST, "ACCOUNT_NOT_FOUND", "Account not found"),
            Refusal::JobNotFound => said(S::NOT_FOUND, "JOB_NOT_FOUND", "Job not found"),
            Refusal::JobEnded => said(S::CONFLICT, "JOB_ENDED", "The job has ended"),
            Refusal::JobIrreversible => said(S::CONFLICT, "JOB_IRREVERSIBLE", "What this job does cannot be undone"),
            Refusal::SearchDisabled => said(
                S::BAD_REQUEST,
                "SEARCH_DISABLED",
                "Searching and sorting users by name or address is off; `search.enabled` (CHRYSALIS_SEARCH_ENABLED) turns it on",
            ),
            Refusal::SearchTooWide => said(
                S::BAD_REQUEST,
                "SEARCH_TOO_WIDE",
                "There are too many users to look through for this: search for three characters or more, or for how it starts, or filter further",
            ),
            Refusal::LastAccount => {
                said(S::BAD_REQUEST, "FAILED_TO_UNLINK_LAST_ACCOUNT", "You can't unlink your last account")
            }
            Refusal::ConfirmationRequired => said(
                S::FORBIDDEN,
                "CONFIRMATION_REQUIRED",
                "Open this link in the browser in which the address was given",
            ),
            Refusal::Banned => ApiError::banned_user(),
            Refusal::Impersonating => ApiError::impersonation_not_allowed(),
            Refusal::NotImpersonating => said(S::BAD_REQUEST, "NOT_IMPERSONATING", "You are not impersonating anyone"),
            Refusal::UserUnknown => ApiError::user_not_found(),
            Refusal::NotErased => ApiError::new(StatusCode::NOT_FOUND, "USER_NOT_ERASED", "User was not erased"),
            Refusal::RemovesThemselves => {
                said(S::BAD_REQUEST, "YOU_CANNOT_REMOVE_YOURSELF", "You cannot remove yourself")
            }
            Refusal::BansThemselves => said(S::BAD_REQUEST, "YOU_CANNOT_BAN_YOURSELF", "You cannot ban yourself"),
            Refusal::ImpersonatesAdmin => {
                said(S::FORBIDDEN, "YOU_CANNOT_IMPERSONATE_ADMINS", "You cannot impersonate admins")
            }
            Refusal::RoleUnknown => said(
                S::BAD_REQUEST,
                "YOU_ARE_NOT_ALLOWED_TO_SET_NON_EXISTENT_VALUE",
                "You are not allowed to set a non-existent role value",
            ),
            Refusal::GuestNotDisabled => {
                said(S::CONFLICT, "GUEST_NOT_DISABLED", "No clean-up took this guest out of use")
            }
            Refusal::GuestTransferred => said(
                S::CONFLICT,
                "GUEST_ALREADY_TRANSFERRED",
                "What this guest did was handed over to another account before",
            ),
            Refusal::NoAddress => forms::unfit("emailVerified", "is of an address, and there is none"),
            Refusal::ApiKeyUnknown => said(S::NOT_FOUND, "KEY_NOT_FOUND", "API Key not found"),
            Refusal::Lacking(permission) => ApiError::insufficient_permission(permission.name()),
            Refusal::WebhookUnknown => said(S::NOT_FOUND, "WEBHOOK_NOT_FOUND", "Webhook endpoint not found"),
            Refusal::InvalidWebhookUrl(unfit) => {
                ApiError::new(S::BAD_REQUEST, "INVALID_WEBHOOK_URL", format!("Invalid webhook URL: {unfit}"))
            }
            Refusal::TooManyWebhooks => said(S::BAD_REQUEST, "TOO_MANY_WEBHOOKS", "Too many webhook endpoints"),
            Refusal::Organization(refusal) => super::organization::said(refusal),
            Refusal::TooMany(retry_after) => ApiError::rate_limited(seconds(retry_after)),
        };
        error.resting_on_settings(refusal.rests_on_settings())
    }
}

pub(super) fn not_anonymous() -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "USER_IS_NOT_ANONYMOUS", "User is not anonymous")
}

pub(super) fn anonymous_session_expired() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "ANONYMOUS_SESSION_EXPIRED", "Anonymous session expired")
}

fn seconds(span: chrysalis_domain::Span) -> u32 {
    u32::try_from(span.as_secs_ceil()).unwrap_or(u32::MAX).max(1)
}
