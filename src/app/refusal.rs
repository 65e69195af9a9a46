//! What a use case answers when it does not do what was asked: typed, for the caller to act on. How each is said on the
//! wire stands in one table, in `http`.

use chrysalis_domain::api_key::ApiKeyRefusal;
use chrysalis_domain::challenge::ChallengeRefusal;
use chrysalis_domain::id::UserId;
use chrysalis_domain::job::JobRefusal;
use chrysalis_domain::settings::SettingsRefusal;
use chrysalis_domain::user::UserRefusal;
use chrysalis_domain::webhook::WebhookRefusal;
use chrysalis_domain::{Permission, Span};

use super::organization;
use crate::hasher::HashError;
use crate::log::cqrs::ExecuteError;
use crate::log::{AppendError, LogFault, Refused};
use crate::outage;
use crate::webhooks::UnfitTarget;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    AnonymousDisabled,
    PasswordDisabled,
    SignUpClosed,
    SessionNotLive,
    NotAnonymous,
    InvalidEmail,
    PasswordTooShort,
    PasswordTooLong,
    PasswordTooCommon,
    MagicLinkDisabled,
    EmailOtpDisabled,
    ResetDisabled,
    /// Nobody new may come by a code.
    SignUpDisabled,
    InvalidOtp,
    OtpExpired,
    /// Somebody else holds the address.
    EmailInUse,
    /// The address changed hands between the look and the deed.
    AddressMoved,
    TooManyAttempts,
    /// Of whose account, where it is somebody's: told to nobody but the log.
    InvalidEmailOrPassword(Option<UserId>),
    InvalidPassword,
    EmailNotVerified,
    NoPassword,
    PasswordAlreadySet,
    /// A member's call, by a guest.
    Anonymous,
    /// The address in question is not the caller's.
    EmailMismatch,
    EmailAlreadyVerified,
    ChangeEmailDisabled,
    EmailIsTheSame,
    /// A call that needs one, in a session that did not authenticate lately.
    NotFresh,
    /// Fresh authentication or a password is needed.
    SessionNotFresh,
    DeletionDisabled,
    IdempotencyKeyReused,
    /// Something has to be shown before a guest is made, and nothing was.
    ChallengeRequired,
    /// What was shown is not good, or was used before.
    ChallengeFailed,
    InvalidToken,
    TokenExpired,
    ProviderNotFound,
    TooManyProviders,
    IdTokenNotSupported,
    /// The identity leads to this user already.
    AlreadyLinked,
    AccountNotFound,
    LastAccount,
    JobNotFound,
    /// It is done, or was stopped.
    JobEnded,
    /// What it does can't be undone.
    JobIrreversible,
    /// Nothing is kept that users could be found by.
    SearchDisabled,
    /// Among more users than are looked at one by one.
    SearchTooWide,
    /// The link was opened outside the browser that made the claim.
    ConfirmationRequired,
    Banned,
    /// Whoever calls acts as the user, and may not do this in their name.
    Impersonating,
    NotImpersonating,
    UserUnknown,
    /// The user is there.
    NotErased,
    /// Of an administrator's own self.
    RemovesThemselves,
    BansThemselves,
    ImpersonatesAdmin,
    RoleUnknown,
    /// The guest is not one that a clean-up took out of use.
    GuestNotDisabled,
    /// What the guest did belongs to another account already.
    GuestTransferred,
    /// There is no address to say anything of.
    NoAddress,
    ApiKeyUnknown,
    /// Who asks lacks this, so they can't give it.
    Lacking(Permission),
    WebhookUnknown,
    /// It is no address that may be told what happens.
    InvalidWebhookUrl(UnfitTarget),
    TooManyWebhooks,
    /// Something about organizations.
    Organization(organization::Refusal),
    /// Too often; come back after this time.
    TooMany(Span),
    /// What follows is more than the log takes at once.
    TooMuchAtOnce,
}

impl Refusal {
    /// Whether other settings would have led elsewhere: it is told to nobody while they are not known to stand.
    pub const fn rests_on_settings(self) -> bool {
        matches!(
            self,
            Refusal::AnonymousDisabled
                | Refusal::PasswordDisabled
                | Refusal::SignUpClosed
                | Refusal::SignUpDisabled
                | Refusal::PasswordTooShort
                | Refusal::PasswordTooLong
                | Refusal::MagicLinkDisabled
                | Refusal::EmailOtpDisabled
                | Refusal::ResetDisabled
                | Refusal::EmailNotVerified
                | Refusal::ProviderNotFound
        )
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// The settings changed under the decision: it is to be made again, from the beginning.
    #[error("the settings changed meanwhile")]
    SettingsMoved,
    /// For the time being: a queue is full or the store is away.
    #[error("the store is away, or too much waits; try again in {retry_after}")]
    Unavailable { retry_after: Span },
    #[error(transparent)]
    Fault(LogFault),
}

/// How long to wait when the store is away: long enough not to storm it, short enough to go unnoticed.
const STORE_AWAY: Span = Span::from_secs(2);

impl From<Refusal> for AppError {
    fn from(refusal: Refusal) -> Self {
        AppError::Refused(refusal)
    }
}

impl From<LogFault> for AppError {
    fn from(fault: LogFault) -> Self {
        match fault {
            LogFault::Unavailable(_) => {
                outage::met(&fault);
                AppError::Unavailable { retry_after: STORE_AWAY }
            }
            fault => AppError::Fault(fault),
        }
    }
}

impl From<AppendError> for AppError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Busy { retry_after } => AppError::Unavailable { retry_after },
            AppendError::Fault(fault) => fault.into(),
            AppendError::Refused(Refused::Settings { .. }) => AppError::SettingsMoved,
            AppendError::Refused(Refused::ClaimHeld { .. }) => Refusal::EmailInUse.into(),
            // The user went while the request was on its way.
            AppendError::Refused(Refused::Erased { .. }) => Refusal::SessionNotLive.into(),
            AppendError::Refused(Refused::QuotaExceeded { retry_after, .. }) => Refusal::TooMany(retry_after).into(),
            AppendError::Refused(Refused::TooLarge) => Refusal::TooMuchAtOnce.into(),
            AppendError::Refused(refused @ (Refused::Version { .. } | Refused::Repeated { .. })) => {
                AppError::Fault(LogFault::Bug(format!("a refusal that this use case does not expect: {refused:?}")))
            }
        }
    }
}

impl From<UserRefusal> for AppError {
    fn from(refusal: UserRefusal) -> Self {
        match refusal {
            // The user or the session went away while the request was on its way.
            UserRefusal::NotFound | UserRefusal::Deleted | UserRefusal::SessionNotLive => {
                Refusal::SessionNotLive.into()
            }
            UserRefusal::NotAnonymous => Refusal::NotAnonymous.into(),
            UserRefusal::GuestNotDisabled => Refusal::GuestNotDisabled.into(),
            UserRefusal::Banned => Refusal::Banned.into(),
            UserRefusal::Impersonated => Refusal::Impersonating.into(),
            UserRefusal::Administers => Refusal::ImpersonatesAdmin.into(),
            UserRefusal::NoAddress => Refusal::NoAddress.into(),
            UserRefusal::NoPassword => Refusal::NoPassword.into(),
            UserRefusal::Anonymous => Refusal::Anonymous.into(),
            UserRefusal::HasPassword => Refusal::PasswordAlreadySet.into(),
            UserRefusal::EmailNotVerified => Refusal::EmailNotVerified.into(),
            UserRefusal::PasswordChangedMeanwhile => Refusal::InvalidPassword.into(),
            UserRefusal::ClaimNotHeld | UserRefusal::ClaimVerified | UserRefusal::ChallengeUnknown => {
                Refusal::InvalidToken.into()
            }
            UserRefusal::ChallengeExpired => Refusal::TokenExpired.into(),
            UserRefusal::AccountUnknown => Refusal::AccountNotFound.into(),
            UserRefusal::LastAccount => Refusal::LastAccount.into(),
            UserRefusal::IdentityLinked => Refusal::AlreadyLinked.into(),
            UserRefusal::AlreadyMember => organization::Refusal::AlreadyMember.into(),
            UserRefusal::NotMember => organization::Refusal::MemberNotFound.into(),
            UserRefusal::TooManyMemberships => organization::Refusal::TooManyOrganizations.into(),
            refusal @ (UserRefusal::Exists
            | UserRefusal::NotMatching
            | UserRefusal::TooManyIdentities
            | UserRefusal::GuestActive { .. }
            | UserRefusal::GuestHeld { .. }
            | UserRefusal::GuestNotTold
            | UserRefusal::StillUndoable { .. }) => {
                AppError::Fault(LogFault::Bug(format!("a refusal that this use case does not expect: {refusal}")))
            }
        }
    }
}

impl From<ChallengeRefusal> for AppError {
    fn from(refusal: ChallengeRefusal) -> Self {
        match refusal {
            ChallengeRefusal::Unknown => Refusal::InvalidToken,
            ChallengeRefusal::Expired => Refusal::TokenExpired,
            ChallengeRefusal::Exhausted => Refusal::TooManyAttempts,
        }
        .into()
    }
}

impl From<SettingsRefusal> for AppError {
    fn from(refusal: SettingsRefusal) -> Self {
        match refusal {
            SettingsRefusal::UnknownProvider => Refusal::ProviderNotFound.into(),
            SettingsRefusal::TooManyProviders => Refusal::TooManyProviders.into(),
            // A form is read by the same rules, and by the same settings.
            refusal @ (SettingsRefusal::Unfit(_) | SettingsRefusal::NoClientId) => {
                AppError::Fault(LogFault::Bug(format!("a refusal that this use case does not expect: {refusal}")))
            }
        }
    }
}

impl From<ApiKeyRefusal> for AppError {
    fn from(refusal: ApiKeyRefusal) -> Self {
        match refusal {
            ApiKeyRefusal::Unknown => Refusal::ApiKeyUnknown.into(),
            ApiKeyRefusal::Lacking(permission) => Refusal::Lacking(permission).into(),
            ApiKeyRefusal::Exists => {
                AppError::Fault(LogFault::Bug("an id of an API key was drawn a second time".to_owned()))
            }
        }
    }
}

impl From<JobRefusal> for AppError {
    fn from(refusal: JobRefusal) -> Self {
        match refusal {
            JobRefusal::NotFound => Refusal::JobNotFound.into(),
            JobRefusal::Ended => Refusal::JobEnded.into(),
            JobRefusal::Irreversible => Refusal::JobIrreversible.into(),
            JobRefusal::Exists | JobRefusal::Late => {
                AppError::Fault(LogFault::Bug(format!("a refusal that this use case does not expect: {refusal}")))
            }
        }
    }
}

impl From<WebhookRefusal> for AppError {
    fn from(refusal: WebhookRefusal) -> Self {
        match refusal {
            WebhookRefusal::Unknown => Refusal::WebhookUnknown.into(),
            WebhookRefusal::Exists => {
                AppError::Fault(LogFault::Bug("an id of a webhook endpoint was drawn a second time".to_owned()))
            }
        }
    }
}

impl From<ExecuteError> for AppError {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Refused(refusal) => refusal.into(),
            ExecuteError::Unmet(refusal) => refusal.into(),
            ExecuteError::Unfit(refusal) => refusal.into(),
            ExecuteError::ApiKey(refusal) => refusal.into(),
            ExecuteError::Job(refusal) => refusal.into(),
            ExecuteError::Webhook(refusal) => refusal.into(),
            ExecuteError::Disallowed(refusal) => refusal.into(),
            ExecuteError::Append(error) => error.into(),
        }
    }
}

impl From<HashError> for AppError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy { retry_after } => AppError::Unavailable { retry_after },
            other => AppError::Fault(LogFault::Bug(other.to_string())),
        }
    }
}
