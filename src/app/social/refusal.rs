//! Why a provider's word leads nowhere: each has a code that apps read from a redirect (CONTRACT 4).

use crate::app::{AppError, Refusal};
use crate::log::LogFault;
use crate::log::cqrs::ExecuteError;
use chrysalis_domain::user::UserRefusal;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocialRefusal {
    StateNotFound,
    /// Another browser, or another user's session.
    StateMismatch,
    /// The redirect does not read.
    InvalidCallback,
    /// As the provider said it.
    Provider(String),
    NoCode,
    ProviderNotFound,
    IssuerMismatch,
    InvalidCode,
    NoUserInfo,
    /// Somebody holds the address, and the provider does not vouch for it.
    NotLinked,
    LinkedToAnother,
    UnableToLink,
    EmailDoesNotMatch,
    EmailInUse,
    SignUpDisabled,
    UnableToCreateSession,
    Banned,
}

impl SocialRefusal {
    pub fn code(&self) -> &str {
        match self {
            SocialRefusal::StateNotFound => "state_not_found",
            SocialRefusal::StateMismatch => "state_mismatch",
            SocialRefusal::InvalidCallback => "invalid_callback_request",
            SocialRefusal::Provider(said) => said,
            SocialRefusal::NoCode => "no_code",
            SocialRefusal::ProviderNotFound => "oauth_provider_not_found",
            SocialRefusal::IssuerMismatch => "issuer_mismatch",
            SocialRefusal::InvalidCode => "invalid_code",
            SocialRefusal::NoUserInfo => "unable_to_get_user_info",
            SocialRefusal::NotLinked => "account_not_linked",
            SocialRefusal::LinkedToAnother => "account_already_linked_to_different_user",
            SocialRefusal::UnableToLink => "unable_to_link_account",
            SocialRefusal::EmailDoesNotMatch => "email_does_not_match",
            SocialRefusal::EmailInUse => "email_already_in_use",
            SocialRefusal::SignUpDisabled => "signup_disabled",
            SocialRefusal::UnableToCreateSession => "unable_to_create_session",
            SocialRefusal::Banned => "BANNED_USER",
        }
    }
}

/// A refusal, or what any call may end in.
#[derive(Debug, thiserror::Error)]
pub enum SocialError {
    #[error("refused: {0:?}")]
    Refused(SocialRefusal),
    #[error(transparent)]
    App(AppError),
}

impl From<SocialRefusal> for SocialError {
    fn from(refusal: SocialRefusal) -> Self {
        SocialError::Refused(refusal)
    }
}

impl From<Refusal> for SocialError {
    fn from(refusal: Refusal) -> Self {
        SocialError::App(refusal.into())
    }
}

impl From<LogFault> for SocialError {
    fn from(fault: LogFault) -> Self {
        SocialError::App(fault.into())
    }
}

impl From<AppError> for SocialError {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Refused(Refusal::SignUpClosed) => SocialRefusal::SignUpDisabled.into(),
            AppError::Refused(Refusal::Banned) => SocialRefusal::Banned.into(),
            error => SocialError::App(error),
        }
    }
}

impl From<ExecuteError> for SocialError {
    fn from(error: ExecuteError) -> Self {
        match error {
            // The flow was used in between, or what ended all pending acts ended it.
            ExecuteError::Unmet(_) | ExecuteError::Refused(UserRefusal::ChallengeUnknown) => {
                SocialRefusal::StateNotFound.into()
            }
            // The session in which it began is gone, or its user no guest any more.
            ExecuteError::Refused(UserRefusal::SessionNotLive | UserRefusal::NotAnonymous) => {
                SocialRefusal::StateMismatch.into()
            }
            ExecuteError::Refused(UserRefusal::IdentityLinked | UserRefusal::TooManyIdentities) => {
                SocialRefusal::UnableToLink.into()
            }
            ExecuteError::Refused(UserRefusal::ClaimNotHeld | UserRefusal::NotFound | UserRefusal::Deleted) => {
                SocialError::App(Refusal::AddressMoved.into())
            }
            error => AppError::from(error).into(),
        }
    }
}
