//! What the start-up configuration says of what can be set later.

use chrysalis_domain::Span;
use chrysalis_domain::settings::Values;
use chrysalis_domain::settings::values::{Anonymous, Features, Methods, Passwords, Sessions};

use crate::config::Config;

/// How long a member's token for other services is good: the longest that it may be (SECURITY S10).
const ACCESS_TOKEN: Span = Span::from_secs(900);

pub(super) fn values(config: &Config) -> Values {
    let passwords = &config.email_password;
    // Configured lengths are at most 256.
    let length = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
    Values {
        anonymous: Anonymous { enabled: config.anonymous.enabled, max_age: config.anonymous.max_age },
        methods: Methods {
            email_password: passwords.enabled,
            magic_link: config.magic_link,
            email_otp: config.email_otp,
            organization: config.organization,
        },
        passwords: Passwords {
            require_email_verification: passwords.require_email_verification,
            auto_sign_in: passwords.auto_sign_in,
            min_length: length(passwords.policy.min),
            max_length: length(passwords.policy.max),
        },
        features: Features { sign_up: passwords.sign_up },
        sessions: Sessions {
            max_length: config.sessions.absolute_max,
            inactivity_timeout: config.sessions.lifetime,
            access_token_duration: ACCESS_TOKEN,
            // Those of the configuration stand in any case: who calls the API can't lock out the operator's own app.
            cors_origins: Vec::new(),
        },
    }
}
