//! What can be done, by name.

use chrysalis_domain::value::Word;

macro_rules! actions {
    ($($variant:ident = $name:literal,)*) => {
        /// Something that can be done, by the name that the audit trail, the list of events and webhooks have for it. A name
        /// is for ever.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action {
            $($variant,)*
        }

        impl Action {
            pub const ALL: &'static [Action] = &[$(Action::$variant,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Action::$variant => $name,)* }
            }
        }
    };
}

actions! {
    UserCreated = "user.created",
    UserUpdated = "user.updated",
    UserUpgraded = "user.upgraded",
    UserUpgradeSuperseded = "user.upgrade_superseded",
    UserReclaimed = "user.reclaimed",
    UserTransferred = "user.transferred",
    UserDeleted = "user.deleted",
    UserBanned = "user.banned",
    UserUnbanned = "user.unbanned",
    UserImpersonated = "user.impersonated",
    UserExported = "user.exported",
    GuestExpiring = "guest.expiring",
    GuestHeld = "guest.held",
    GuestReleased = "guest.released",
    GuestDisabled = "guest.disabled",
    GuestRestored = "guest.restored",
    SessionCreated = "session.created",
    SessionRevoked = "session.revoked",
    SessionRefreshed = "session.refreshed",
    SessionRotated = "session.rotated",
    EmailVerified = "email.verified",
    EmailChanged = "email.changed",
    PasswordChanged = "password.changed",
    PasswordReset = "password.reset",
    PasswordResetRequested = "password.reset_requested",
    AccountLinked = "account.linked",
    AccountUnlinked = "account.unlinked",
    OrganizationCreated = "organization.created",
    OrganizationUpdated = "organization.updated",
    OrganizationDeleted = "organization.deleted",
    MemberAdded = "member.added",
    MemberRemoved = "member.removed",
    MemberRoleUpdated = "member.role_updated",
    InvitationCreated = "invitation.created",
    InvitationAccepted = "invitation.accepted",
    InvitationRevoked = "invitation.revoked",
    ApiKeyCreated = "api_key.created",
    ApiKeyUpdated = "api_key.updated",
    ApiKeyRotated = "api_key.rotated",
    ApiKeyRevoked = "api_key.revoked",
    KeyRotated = "key.rotated",
    KeyRetired = "key.retired",
    KeyDestroyed = "key.destroyed",
    ConfigUpdated = "config.updated",
    JobRequested = "job.requested",
    JobEnded = "job.ended",
    WebhookCreated = "webhook.created",
    WebhookUpdated = "webhook.updated",
    WebhookDisabled = "webhook.disabled",
    WebhookReplayed = "webhook.replayed",
    WebhookDeleted = "webhook.deleted",
    SignInFailed = "sign_in.failed",
    UpgradeRefused = "upgrade.refused",
    RateLimitHit = "rate_limit.hit",
    ApiKeyRefused = "api_key.refused",
}

impl Action {
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }
}

/// A deed's name: one of ours, or one that an app gave to something it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    Ours(Action),
    Noted(Word),
}

impl Name {
    pub fn as_str(&self) -> &str {
        match self {
            Name::Ours(action) => action.name(),
            Name::Noted(word) => word.as_str(),
        }
    }
}
